"""Many files -> a transcript of each, by the kind of bundle; one bad file never costs the others."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines import page_rendering
from pipelines.document import read_document
from pipelines.handwriting import HandwritingPipeline
from pipelines.journal import Journal
from pipelines.page_rendering import Original
from pipelines.rendering import SUFFIXES, SUFFIXES_OF_SOUND, Rendering, write_to
from pipelines.speech import Listening, Progress, SpeechPipeline
from pipelines.transcript import DocumentPage, Transcript
from recog import checkpoint
from recog.errors import ConfigError, InputError, RecogError
from recog.recognizer import DecodingOptions

# What a folder of pages is looked through for.
IMAGE_SUFFIXES = frozenset(
    [
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
        *(".heic", ".heif", ".pdf"),
    ]
)
# Pictures that are not read, and are to be refused as such.
OTHER_IMAGE_SUFFIXES = frozenset({".avif", ".jp2", ".jxl", ".svg", ".psd"})
# What a folder of recordings is looked through for.
SOUND_SUFFIXES = frozenset(
    [
        ".wav",
        ".w64",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".webm",
        ".mka",
        ".mkv",
        ".m4a",
        ".m4b",
        ".mp4",
        ".mov",
        ".aac",
        ".aiff",
        ".aif",
        ".au",
        ".caf",
        ".amr",
        ".avi",
        ".wma",
        ".flv",
        ".mpg",
        ".mpeg",
        ".ts",
        ".ac3",
        ".ape",
        ".wv",
        ".tta",
        ".sph",
    ]
)

Pipeline = SpeechPipeline | HandwritingPipeline


@dataclass(frozen=True)
class Outcome:
    """A file with its transcript, or with the reason why there is none; or both, where all could not be read."""

    path: Path
    transcript: Transcript | None
    # One sentence; "" where all went well.
    failure: str = ""
    # What was written, or was there before.
    target: Path | None = None
    # Finished by an earlier run.
    skipped: bool = False


@dataclass(frozen=True)
class Job:
    """A file to be transcribed, and where its transcript goes."""

    path: Path
    target: Path
    # Whether a transcript that is there already counts as done, as in a folder, or as in the way.
    resumable: bool = False


def load(
    name_or_path: str | Path, options: DecodingOptions | None = None, listening: Listening | None = None
) -> Pipeline:
    """The pipeline that fits a bundle."""
    bundle = checkpoint.load(name_or_path)
    if bundle.kind == "speech":
        return SpeechPipeline(bundle, options, listening)
    return HandwritingPipeline(bundle, options)


def default_bundle(path: Path) -> str:
    """The bundle for a file when none is named: by its suffix, pictures and PDFs to handwriting, all else to speech."""
    pictures = IMAGE_SUFFIXES | OTHER_IMAGE_SUFFIXES
    return "handwriting-latin" if path.suffix.lower() in pictures else "speech-en"


def journal_of(target: Path) -> Path:
    """Where the pages of a document lie that are done, until its transcript is written."""
    return target.with_name(target.name + ".pages.jsonl")


def transcribe(
    paths: Sequence[Path],
    bundle: str | Path | None = None,
    options: DecodingOptions | None = None,
    listening: Listening | None = None,
    progress: Callable[[Path], Progress] | None = None,
    journals: Mapping[Path, Path] | None = None,
) -> Iterator[Outcome]:
    """Transcribes file after file; each bundle that is needed is loaded once, and a missing one ends the run at once.

    A file that is damaged, silent or without any words has its transcript and a failure, which says so.
    `progress` gives for each recording or document what is to be told how far it is, in seconds or pages. `journals`
    tells for documents where pages that are done are kept, so that a run that was stopped goes on within them.
    """
    names = [str(bundle) if bundle else default_bundle(path) for path in paths]
    pipelines = {name: load(name, options, listening) for name in dict.fromkeys(names)}
    for path, name in zip(paths, names, strict=True):
        pipeline = pipelines[name]
        try:
            if isinstance(pipeline, SpeechPipeline):
                found: Transcript = pipeline(path, progress(path) if progress else None)
            else:
                tell = progress(path) if progress else None
                kept = Journal((journals or {}).get(path), path, f"{_state(name)} {options}")
                found = _read(pipeline, path, kept, tell)
        except RecogError as error:
            yield Outcome(path, None, str(error))
        else:
            yield Outcome(path, found, found.warning(str(path)))


def _state(name: str) -> str:
    """A bundle as it is now: one that was trained on or tuned since reads differently."""
    folder = checkpoint.find(name)
    return f"{folder.resolve()} {max((path.stat().st_mtime_ns for path in folder.iterdir()), default=0)}"


def _read(pipeline: HandwritingPipeline, path: Path, journal: Journal, progress: Progress | None) -> Transcript:
    def tell(page: DocumentPage, n_pages: int) -> None:
        journal.add(page)
        if progress:
            progress(page.number, n_pages)

    return read_document(pipeline, path, finished=journal.read(), tell=tell)


def plan(inputs: Sequence[Path], folder: Path, rendering: Rendering, bundle: str | Path | None = None) -> list[Job]:
    """Files, and folders with all recordings below them, or all pictures and PDFs -> what is to be done.

    A folder is looked through for what the bundle reads; without one for what the format is for, recordings first. A
    transcript is named after its file, NAME.txt; where two files have one name, after their endings too, NAME.mp3.txt.
    Refuses a folder without any, and a transcript that would take the place of an input.
    """
    found: list[tuple[Path, Path, bool]] = []
    for one in inputs:
        if one.is_dir():
            found += [(path, path.relative_to(one), True) for path in _inside(one, rendering, bundle)]
        else:
            found.append((one, Path(one.name), False))
    endings = [
        "" if page_rendering.is_folder(Original(path), rendering.form) else SUFFIXES[rendering.form]
        for path, _, _ in found
    ]
    names = [str(inner.with_suffix(ending)) for (_, inner, _), ending in zip(found, endings, strict=True)]
    taken = Counter(name.lower() for name in names)  # some disks do not tell a.txt from A.txt
    full = [
        name if taken[name.lower()] == 1 else str(inner.with_name(inner.name + (ending or ".pages")))
        for name, ending, (_, inner, _) in zip(names, endings, found, strict=True)
    ]
    twice = [name for name, count in Counter(name.lower() for name in full).items() if count > 1]
    if twice:
        raise ConfigError(
            f"several inputs would be written to {folder / twice[0]}; transcribe them one folder at a time"
        )
    read = {path.resolve() for path, _, _ in found}
    over = next((folder / name for name in full if (folder / name).resolve() in read), None)
    if over is not None:
        raise ConfigError(f"the transcript would take the place of the input {over}; say with --out another folder")
    return [Job(path, folder / name, of_folder) for name, (path, _, of_folder) in zip(full, found, strict=True)]


def _inside(folder: Path, rendering: Rendering, bundle: str | Path | None) -> list[Path]:
    """What is to be transcribed below a folder, in the order of the names."""
    if bundle is not None:
        kinds = [SOUND_SUFFIXES if checkpoint.load(bundle).kind == "speech" else IMAGE_SUFFIXES]
    else:
        kinds = [SOUND_SUFFIXES] if rendering.form in SUFFIXES_OF_SOUND else []
        kinds += [IMAGE_SUFFIXES] if rendering.form in page_rendering.SUFFIXES else []
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for suffixes in kinds:
        inside = [path for path in files if path.suffix.lower() in suffixes]
        if inside:
            return inside
    raise InputError(f"{folder} holds no files of a kind that is read here, such as .{min(kinds[0])[1:]}")


def transcribe_to(
    jobs: Sequence[Job],
    rendering: Rendering,
    force: bool,
    run: Callable[[Sequence[Path]], Iterator[Outcome]],
) -> Iterator[Outcome]:
    """Does the jobs with `run`, which transcribes files in order, and writes each transcript as soon as it is there.

    Unless forced, what is there is never overwritten: a folder's run goes on where it stopped, a file is refused.
    """
    open_ = []
    for job in jobs:
        if force or not job.target.exists():
            open_.append(job)
        elif job.resumable:
            yield Outcome(job.path, None, target=job.target, skipped=True)
        else:
            yield Outcome(job.path, None, f"{job.target} is there already; --force overwrites it", job.target)
    for job, outcome in zip(open_, run([job.path for job in open_]) if open_ else (), strict=True):
        if outcome.transcript is None:
            yield outcome
            continue
        try:
            write_to(job.target, outcome.transcript, job.path, rendering)
        except InputError as error:
            yield Outcome(job.path, None, str(error))
        else:
            journal_of(job.target).unlink(missing_ok=True)
            yield replace(outcome, target=job.target)
