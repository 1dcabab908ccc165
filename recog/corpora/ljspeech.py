"""LJ Speech's layout (Ito & Johnson 2017), which many collections of one voice share.

metadata.csv        LJ001-0001|Printed, in 1440|Printed, in fourteen forty
wavs/LJ001-0001.wav
"""

from pathlib import Path

from tqdm import tqdm

from recog.corpora import duration
from recog.corpora.entries import Entry, entries
from recog.corpora.found import Found, Sample, walk, written_path
from recog.errors import InputError, ManifestError

TABLE, FOLDER = "metadata.csv", "wavs"


def read(source: Path, base: Path) -> Found:
    """Rows of metadata.csv -> samples for a manifest in `base`; the text is the last column, with figures spelled out.

    Grouped by what stands before the id's hyphen (a chapter), so that no chapter is read in training and in dev.
    Refuses a source without metadata.csv, a line without "|", an id that comes twice, and a source without a sample.
    """
    found = Found()
    files = walk(source, found)
    if not (source / TABLE).is_file():
        raise ManifestError(f"{source} holds no {TABLE}; expected it beside the folder {FOLDER}/")
    recordings = {
        path.stem: path for path in files if path.parent == source / FOLDER and path.suffix.lower() in duration.SUFFIXES
    }
    seen = set[str]()
    for entry in tqdm(entries(source / TABLE), "recordings", unit="file", mininterval=0.5):
        name, *texts = (cell.strip() for cell in entry.text.split("|"))
        if not texts or not name:
            raise entry.refusal(f"is {entry.text[:60]!r}; expected id|text or id|text|text with figures spelled out")
        if name in seen:
            raise entry.refusal(f"names {name}, which has already come")
        seen.add(name)
        _add(found, entry, name, next(filter(None, reversed(texts)), ""), recordings.get(name), source, base)
    for name in sorted(set(recordings) - seen):
        found.leave_out("no line for the recording", recordings[name].name)
    return found.usable(f"{TABLE} with the recordings in {FOLDER}/", source)


def _add(found: Found, entry: Entry, name: str, text: str, path: Path | None, source: Path, base: Path) -> None:
    if path is None:
        found.leave_out("no recording for the line", name)
        return
    if not text:
        found.leave_out("empty text", f"{name} (line {entry.number})")
        return
    try:
        length = duration.seconds(path)
    except InputError:
        found.leave_out("unreadable recording", path.name)
        return
    row = {
        "audio": written_path(path, base),
        "text": " ".join(text.split()),
        "duration": length,
        "source": source.resolve().name,
    }
    found.samples.append(Sample(name.split("-")[0], row))
