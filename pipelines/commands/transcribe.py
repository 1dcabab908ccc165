"""Transcribes recordings and pictures of handwriting."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.commands.decoding import add_decoding_options, decoding
from recog.errors import ConfigError, InputError

if TYPE_CHECKING:
    from pipelines.rendering import Rendering
    from pipelines.transcription import Outcome

FORMATS = ("txt", "json", "srt", "vtt", "ctm", "textgrid", "docx", "page", "alto", "hocr", "pdf", "gt")
# What no screen shows.
FILES_ONLY = ("docx", "pdf", "gt")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog transcribe`."""
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="recordings, pictures, TIFFs or PDFs; with --out folders too",
    )
    parser.add_argument(
        "--bundle", help="name or folder (default: speech-en for sound, handwriting-latin for pictures)"
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="txt",
        help="txt: the text; json: words with times or boxes; of sound also subtitles and others; of pages PAGE and ALTO "
        "XML, hOCR, searchable pdf, docx, gt: each line as picture and text, to train on (default txt)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write NAME.txt, NAME.srt ... there (default: stdout)"
    )
    parser.add_argument("--force", action="store_true", help="with --out: do again what is there, and overwrite it")
    parser.add_argument("--spoken", action="store_true", help="words as they are spoken: no case, points or figures")
    parser.add_argument("--channels", action="store_true", help="each channel alone, one speaker a microphone: turns")
    parser.add_argument(
        "--voice",
        choices=["auto", "silero", "loudness"],
        default="auto",
        help="what finds speech in long recordings (default auto: silero-vad where installed, else loudness)",
    )
    parser.add_argument(
        "--doubtful", type=float, metavar="CONFIDENCE", help="docx: mark words below this confidence, 0 to 1"
    )
    parser.add_argument(
        "--unclear", type=float, metavar="CONFIDENCE", help="pages: [unclear] behind words below this, 0 to 1"
    )
    parser.add_argument(
        "--spelling",
        choices=["diplomatic", "normalised"],
        default="diplomatic",
        help="pages: what stands there, or long s, M^r, tildes spelt out (default diplomatic)",
    )
    add_decoding_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Does it; 0 when everything succeeded, 1 when something failed."""
    from pipelines.page_rendering import PageOptions
    from pipelines.rendering import Rendering
    from pipelines.transcription import journal_of, plan, transcribe_to

    if not arguments.out:
        _refuse_for_stdout(arguments)
    rendering = Rendering(arguments.format, arguments.doubtful, PageOptions(arguments.spelling, arguments.unclear))
    if arguments.out:
        jobs = plan(arguments.files, arguments.out, rendering, arguments.bundle)
        journals = {job.path: journal_of(job.target) for job in jobs}
        outcomes = transcribe_to(jobs, rendering, arguments.force, _transcriber(arguments, journals))
    else:
        jobs, outcomes = [], _transcriber(arguments, {})(arguments.files)
    files, failures, skipped = len(jobs or arguments.files), list[str](), 0
    for outcome in outcomes:
        skipped += outcome.skipped
        failure = outcome.failure
        if outcome.transcript is not None:
            try:
                _tell(outcome, rendering, files > 1)
            except InputError as error:  # a picture cannot have subtitles
                failure = str(error)
        if failure:
            failures.append(failure)
            print(f"recog transcribe: {failure}", file=sys.stderr)
    if skipped:
        print(
            f"recog transcribe: {skipped} finished before, left as they are; --force does them again", file=sys.stderr
        )
    if failures and files > 1:
        print(f"recog transcribe: {len(failures)} of {files} files failed:", file=sys.stderr)
        print("\n".join(f"  {failure}" for failure in failures), file=sys.stderr)
    return 1 if failures else 0


def _tell(outcome: "Outcome", rendering: "Rendering", several: bool) -> None:
    """The transcript itself, or where it was written."""
    from pipelines.rendering import render

    if outcome.target:
        print(outcome.target, flush=True)
        return
    assert outcome.transcript is not None
    content = render(outcome.transcript, outcome.path, rendering).decode("utf-8")
    if rendering.form == "txt" and several:
        content = f"{outcome.path}: {content}"
    print(content, end="", flush=True)


def _refuse_for_stdout(arguments: argparse.Namespace) -> None:
    folder = next((path for path in arguments.files if path.is_dir()), None)
    if folder is not None:
        raise ConfigError(f"{folder} is a folder; say with --out where the transcripts of its files go")
    if arguments.format in FILES_ONLY:
        raise ConfigError(f"format {arguments.format} is no text for the screen; say with --out where it goes")
    if arguments.format in ("page", "alto"):
        from pipelines.page_rendering import Original, is_folder

        many = next((path for path in arguments.files if is_folder(Original(path), arguments.format)), None)
        if many is not None:
            raise ConfigError(f"format {arguments.format} makes a folder of the pages of {many}; say with --out where")
    if arguments.force:
        raise ConfigError("--force is about files that --out writes; give both or none")


def _transcriber(
    arguments: argparse.Namespace, journals: "Mapping[Path, Path]"
) -> "Callable[[Sequence[Path]], Iterator[Outcome]]":
    """Transcribes files as the options say, with the time left on stderr where that is a terminal."""
    from pipelines.commands.progress import Bars
    from pipelines.speech import Listening
    from pipelines.transcription import transcribe

    options, listening = (
        decoding(arguments),
        Listening(arguments.channels, arguments.voice, written=not arguments.spoken),
    )

    def work(paths: "Sequence[Path]") -> "Iterator[Outcome]":
        with Bars(len(paths)) as bars:
            for outcome in transcribe(paths, arguments.bundle, options, listening, bars.begin, journals):
                bars.clear()
                yield outcome

    return work
