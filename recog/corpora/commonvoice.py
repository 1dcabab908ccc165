"""Common Voice's layout (Ardila 2020): the folder of one language, with its official splits as tables.

train.tsv dev.tsv test.tsv    columns client_id, path, sentence, locale and others, tab-separated, in any order
validated.tsv                 all clips that listeners agreed on; used where there is no train.tsv
clip_durations.tsv            clip and milliseconds (since 2023)
clips/common_voice_en_1.mp3
"""

from pathlib import Path

from tqdm import tqdm

from recog.corpora import duration
from recog.corpora.entries import Entry, entries
from recog.corpora.found import Found, Sample, written_path
from recog.errors import InputError, ManifestError

SPLITS = ("train", "dev", "test")
NEEDED = ("client_id", "path", "sentence")


def read(source: Path, base: Path) -> Found:
    """Rows of the tables -> samples for a manifest in `base`, each with its official use; `speaker` is the client_id.

    Without train.tsv, dev.tsv and test.tsv the rows of validated.tsv come with no use, grouped by speaker. Durations
    are those of clip_durations.tsv, or else of each clip's header.
    Refuses a source without tables, a table without the needed columns, a path that leaves clips/ by its line,
    and a source without a single usable clip.
    """
    if not source.is_dir():
        raise ManifestError(f"{source} is not a folder; name the folder of one language")
    tables = [use for use in SPLITS if (source / f"{use}.tsv").is_file()]
    tables = tables or [name for name in ("validated",) if (source / f"{name}.tsv").is_file()]
    if not tables:
        raise ManifestError(f"{source} holds neither train.tsv nor validated.tsv; name the folder of one language")
    found, told = Found(), _durations(source / "clip_durations.tsv")
    for name in tables:
        columns, rows = _table(source / f"{name}.tsv")
        for entry in tqdm(rows, name, unit="clip", mininterval=0.5):
            cells = entry.text.split("\t")
            if len(cells) != len(columns):  # releases have had a few such lines among a million good ones
                found.leave_out("a line with another number of cells", f"line {entry.number} of {name}.tsv")
                continue
            cell = dict(zip(columns, cells, strict=True))
            _add(found, entry, cell, told, source, base, name if name in SPLITS else "")
    return found.usable("train.tsv, dev.tsv, test.tsv or validated.tsv with the clips in clips/", source)


def _table(path: Path) -> tuple[list[str], list[Entry]]:
    """The names of a table's columns, and its rows."""
    lines = entries(path, blank="\r\n")  # an empty cell at an end of the line is a cell
    columns = lines[0].text.split("\t") if lines else []
    missing = [column for column in NEEDED if column not in columns]
    if missing:
        raise ManifestError(f"line 1 of {path} names no column {missing[0]!r}; expected {', '.join(NEEDED)}")
    return columns, lines[1:]


def _add(
    found: Found, entry: Entry, cells: dict[str, str], told: dict[str, float], source: Path, base: Path, use: str
) -> None:
    clip = cells["path"] if Path(cells["path"]).suffix else cells["path"] + ".mp3"  # without it in the first releases
    if Path(clip).name != clip:
        raise entry.refusal(f"has the path {clip!r}; expected the name of a file in clips/")
    text = " ".join(unquoted(cells["sentence"]).split())
    path = source / "clips" / clip
    if not text:
        found.leave_out("empty text", clip)
        return
    if not path.is_file():
        found.leave_out("no clip for the line", clip)
        return
    try:
        length = told[clip] if clip in told and path.stat().st_size else duration.seconds(path)
    except InputError:
        found.leave_out("unreadable recording", clip)
        return
    language = cells.get("locale") or source.resolve().name
    row = {
        "audio": written_path(path, base),
        "text": text,
        "duration": length,
        "speaker": cells["client_id"],
        "language": language,
        "source": f"common-voice-{language}",
    }
    found.samples.append(Sample(cells["client_id"], row, use))


def _durations(path: Path) -> dict[str, float]:
    """Clip -> seconds; empty without the table, which older releases lack."""
    if not path.is_file():
        return {}
    told = {}
    for entry in entries(path)[1:]:
        clip, milliseconds = entry.pair("a clip and its milliseconds")
        if not milliseconds.isascii() or not milliseconds.isdigit() or len(milliseconds) > 9:
            raise entry.refusal(f"has the duration {milliseconds[:20]!r}; expected milliseconds")
        told[clip] = int(milliseconds) / 1000
    return told


def unquoted(cell: str) -> str:
    """A cell as its sentence: releases differ in whether they put quoted cells in quotes; all double the quotes within."""
    inner = cell[1:-1]
    wrapped = len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return (inner if wrapped else cell).replace('""', '"')
