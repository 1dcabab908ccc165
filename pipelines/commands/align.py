"""Finds when each word of a known text is said, or where it is written; cuts long recordings into sentences."""

import argparse
import sys
from pathlib import Path

FORMATS = ("json", "ctm", "srt", "textgrid")
# So many of the rows that could not be placed are told of.
TOLD = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog align`."""
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="recordings, or pictures of a line or page of writing"
    )
    parser.add_argument(
        "--manifest", type=Path, help="instead of files: rows for training that are to tell where their words stand"
    )
    parser.add_argument(
        "--text", type=Path, help="the text of a single FILE (default: NAME.txt beside it, or NAME.gt.txt)"
    )
    parser.add_argument(
        "--bundle", help="name or folder (default: speech-en for sound, handwriting-latin for pictures)"
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="json",
        help="json: words and characters with times or boxes; ctm, srt, textgrid: times only (default json)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder to write NAME.json, NAME.ctm ... to (default: stdout); with --manifest: the new manifest",
    )
    parser.add_argument(
        "--sentences", type=Path, metavar="FOLDER", help="cut into sentences for training: FOLDER/manifest.jsonl, clips"
    )
    parser.add_argument(
        "--least", type=float, default=0.2, help="with --sentences: least confidence of a row, 0 to 1 (default 0.2)"
    )
    parser.add_argument(
        "--longest", type=float, default=20.0, help="with --sentences: seconds of the longest clip (default 20)"
    )
    parser.add_argument(
        "--keep-unspelled", action="store_true", help="with --sentences: keep sentences with words such as 1860"
    )
    parser.add_argument(
        "--every-word", action="store_true", help="all of the text is spoken: leave no sentence out, however unlikely"
    )
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="where the network runs (default auto)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Does it; 0 when everything succeeded, 1 when something failed."""
    from pipelines.aligning import align_files, cut_files, written
    from recog.errors import ConfigError
    from recog.recognizer import DecodingOptions

    if bool(arguments.files) == bool(arguments.manifest) or (arguments.manifest and not arguments.out):
        raise ConfigError("give either files, or --manifest IN with --out OUT")
    if arguments.manifest:
        from pipelines.row_words import place_rows

        placing = place_rows(arguments.manifest, arguments.out, arguments.bundle, arguments.device)
        for row, reason in placing.without[:TOLD]:
            print(f"recog align: {row}: {reason}", file=sys.stderr)
        print(f"{placing.rows} rows in {arguments.out}; {len(placing.without)} do not tell where their words stand")
        return 0
    failed, options = 0, DecodingOptions(beam=0, device=arguments.device)
    if arguments.sentences:
        from pipelines.sentences import CutOptions

        choice = CutOptions(
            longest_seconds=arguments.longest,
            least_confidence=arguments.least,
            keep_unspelled=arguments.keep_unspelled,
        )
        outcomes = cut_files(arguments.files, arguments.text, arguments.sentences, arguments.bundle, options, choice)
    else:
        outcomes = align_files(
            arguments.files, arguments.text, arguments.format, arguments.bundle, options, arguments.every_word
        )
    for outcome in outcomes:
        for note in outcome.notes:
            print(f"recog align: {note}", file=sys.stderr)
        if outcome.failure:
            failed += 1
            print(f"recog align: {outcome.failure}", file=sys.stderr)
        elif arguments.out and not arguments.sentences:
            print(written(outcome, arguments.out, arguments.format))
        else:
            print(outcome.content, end="")
    if failed and len(arguments.files) > 1:
        print(f"recog align: {failed} of {len(arguments.files)} files failed", file=sys.stderr)
    return 1 if failed else 0
