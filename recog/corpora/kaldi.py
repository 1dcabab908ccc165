"""Kaldi's data folders (Povey 2011), one of them or a folder of several (train, dev, test ...).

    wav.scp      recording path            a plain path: what ends in | is a command and is never run
    text         utterance the words
    utt2spk      utterance speaker         (may be missing)
    segments     utterance recording 1.25 3.5     seconds (may be missing: then a recording is an utterance)

A path is looked for as it stands, then below the data folder, then below the three folders above it, since Kaldi
writes paths relative to where its scripts run. Segments are cut out and written as .flac below the manifest.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from recog import audio
from recog.corpora import duration, media
from recog.corpora.entries import Entry, entries
from recog.corpora.found import Found, Sample, written_path
from recog.errors import InputError, ManifestError

RATE_HZ = 16000
# What a folder's name begins with -> what its rows are for.
USES = {"train": "train", "dev": "dev", "valid": "dev", "cv": "dev", "test": "test", "eval": "test"}


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording."""

    utterance: str
    start: float
    end: float


def read(source: Path, base: Path) -> Found:
    """Utterances -> samples for a manifest in `base`, grouped by speaker; of several folders, each used by its name.

    Refuses commands and archives in wav.scp (naming them; nothing is run), files with two speakers' channels
    (reco2file_and_channel), malformed lines by number, ids that come twice, and a source without an utterance.
    """
    if not source.is_dir():
        raise ManifestError(f"{source} is not a folder; name a Kaldi data folder, with wav.scp and text")
    single = (source / "wav.scp").is_file()
    folders = [source] if single else sorted(path.parent for path in source.glob("*/wav.scp"))
    found = Found()
    for folder in folders:
        use = "" if single else next((use for name, use in USES.items() if folder.name.startswith(name)), "train")
        _read_folder(folder, base, use, found)
    return found.usable("wav.scp and text, in the folder or in folders below it", source)


def _read_folder(folder: Path, base: Path, use: str, found: Found) -> None:
    recordings = _recordings(folder)
    texts = _table(folder / "text", "an utterance and its words", empty=True)
    speakers = _table(folder / "utt2spk", "an utterance and its speaker") if (folder / "utt2spk").is_file() else {}
    segments = _segments(folder, recordings)
    left = set(texts)
    for recording, path in tqdm(recordings.items(), folder.name, unit="file", mininterval=0.5):
        if path is None:
            found.leave_out("no file where wav.scp says", recording)
            left.difference_update(segment.utterance for segment in segments[recording])
            continue
        known = [segment for segment in segments[recording] if segment.utterance in texts]
        for segment in segments[recording]:
            if segment.utterance not in texts:
                found.leave_out("no line in text", segment.utterance)
        left.difference_update(segment.utterance for segment in known)
        try:
            rows = _rows(folder, path, known, base, found)
        except InputError:
            found.leave_out("unreadable recording", recording)
            continue
        for segment, row in zip(known, rows, strict=True):
            text, speaker = texts[segment.utterance], speakers.get(segment.utterance, "")
            if row is None:
                found.leave_out("a segment beyond the end of its recording", segment.utterance)
            elif not text:
                found.leave_out("empty text", segment.utterance)
            else:
                spoken = {"speaker": speaker} if speaker else {}
                whole = {**row, "text": text, **spoken, "source": folder.resolve().name}
                found.samples.append(Sample(speaker or segment.utterance, whole, use))
    for utterance in sorted(left):
        found.leave_out("a line in text without recording", utterance)


def _rows(
    folder: Path, path: Path, segments: list[Segment], base: Path, found: Found
) -> list[dict[str, object] | None]:
    """A row without text for each segment; None for one that the recording is too short for."""
    if not (folder / "segments").is_file():
        length = duration.seconds(path)
        return [{"audio": written_path(path, base), "duration": length} for _ in segments]
    # Decoded, not asked: a header may promise more than there is.
    samples = len(audio.read(path, RATE_HZ))
    rows: list[dict[str, object] | None] = []
    cuts: dict[Path, slice] = {}
    for segment in segments:
        first, last = round(segment.start * RATE_HZ), min(round(segment.end * RATE_HZ), samples)
        # Half a second is forgiven: clocks of annotations and recordings differ.
        if segment.end > samples / RATE_HZ + 0.5 or last <= first:
            rows.append(None)
            continue
        target = base / "audio" / folder.resolve().name / media.file_name(segment.utterance, ".flac")
        cuts[target] = slice(first, last)
        rows.append({"audio": written_path(target, base), "duration": round((last - first) / RATE_HZ, 3)})
    if cuts:
        found.work.append(lambda: _cut(path, cuts))
    return rows


def _cut(path: Path, cuts: dict[Path, slice]) -> None:
    waveform = audio.read(path, RATE_HZ)
    for target, samples in cuts.items():
        media.write(target, media.flac(waveform[samples], RATE_HZ))


def _recordings(folder: Path) -> dict[str, Path | None]:
    """Recording -> its file, None where there is none; refuses what is no plain path."""
    channels = folder / "reco2file_and_channel"
    if channels.is_file() and len({entry.text.split()[-1] for entry in entries(channels)}) > 1:
        raise ManifestError(
            f"{channels} parts recordings by channel, which would be mixed here; write each channel to its own file first"
        )
    found: dict[str, Path | None] = {}
    for entry in entries(folder / "wav.scp"):
        recording, place = entry.pair("a recording and its path")
        _check_path(entry, recording, place)
        if recording in found:
            raise entry.refusal(f"names {recording}, which has already come")
        roots = [folder, *folder.resolve().parents[:3]]
        places = [Path(place)] if Path(place).is_absolute() else [root / place for root in roots]
        found[recording] = next((path for path in places if path.is_file()), None)
    return found


def _check_path(entry: Entry, recording: str, place: str) -> None:
    if place.startswith("|") or place.endswith("|"):
        raise entry.refusal(
            f"gives {recording} as the command {place[:60]!r}; commands are never run here: "
            "write the sound to files first (wav-copy in Kaldi) and name those"
        )
    _, colon, offset = place.rpartition(":")
    if place == "-" or place.endswith("]") or (colon and offset.isdigit()):
        raise entry.refusal(
            f"gives {recording} as {place[:60]!r}, a place in a stream or archive; expected a path to a recording"
        )


def _table(path: Path, expected: str, empty: bool = False) -> dict[str, str]:
    """First word -> the rest of the line, "" where that may be `empty`; refuses a first word that comes twice."""
    found: dict[str, str] = {}
    for entry in entries(path):
        alone = empty and len(entry.text.split()) == 1
        key, rest = (entry.text, "") if alone else entry.pair(expected)
        if key in found:
            raise entry.refusal(f"names {key}, which has already come")
        found[key] = " ".join(rest.split())
    return found


def _segments(folder: Path, recordings: dict[str, Path | None]) -> dict[str, list[Segment]]:
    """Recording -> its segments; without a file `segments`, one for each recording and of its name."""
    path = folder / "segments"
    if not path.is_file():
        return {recording: [Segment(recording, 0.0, math.inf)] for recording in recordings}
    found: dict[str, list[Segment]] = {recording: [] for recording in recordings}
    seen = set[str]()
    for entry in entries(path):
        cells = entry.text.split()
        try:
            start, end = (float(cell) for cell in cells[2:4])
        except ValueError:
            start, end = 0.0, 0.0
        if len(cells) not in (4, 5) or not 0 <= start < end < math.inf:
            raise entry.refusal(f"is {entry.text[:60]!r}; expected utterance, recording, start and end in seconds")
        if cells[1] not in found:
            raise entry.refusal(f"names the recording {cells[1]}, which wav.scp lacks")
        if cells[0] in seen:
            raise entry.refusal(f"names {cells[0]}, which has already come")
        seen.add(cells[0])
        found[cells[1]].append(Segment(cells[0], start, end))
    return found
