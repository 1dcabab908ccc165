"""CMU's AN4 (Acero 1990), and other corpora in the layout of SphinxTrain.

    etc/an4_train.fileids          an4_clstk/fash/an251-fash-b          (fash: the speaker)
    etc/an4_train.transcription    <s> YES </s> (an251-fash-b)
    etc/an4_test.fileids, etc/an4_test.transcription
    wav/an4_clstk/fash/an251-fash-b.sph     NIST SPHERE; or .wav, .flac; or .raw: 16 kHz, 16 bits, mono, no header

SPHERE is read where it lies, compressed with shorten or not. A .raw file tells nothing of itself: it is taken for
16 kHz, 16 bits, mono, in the byte order in which the corpus is smoother, and written as .flac below the manifest.
"""

import re
from pathlib import Path

import numpy as np
from tqdm import tqdm

from recog.audio import Waveform
from recog.corpora import duration, media
from recog.corpora.entries import Entry, entries
from recog.corpora.found import Found, Sample, walk, written_path
from recog.errors import InputError, ManifestError

RATE_HZ = 16000
SUFFIXES = (".sph", ".wav", ".flac", ".raw")


def read(source: Path, base: Path) -> Found:
    """Utterances -> samples for a manifest in `base`, with the corpus's own train and test; grouped by speaker.

    Sentence marks and other <tags> and ++noises++ are dropped from the text.
    Refuses a source without etc/*.fileids, lists whose lines do not belong together (by line), and ids that leave wav/.
    """
    found = Found()
    files = walk(source, found)
    recordings = {
        path.relative_to(source / "wav").with_suffix("").as_posix(): path
        for suffix in reversed(SUFFIXES)  # the first of them wins
        for path in files
        if path.is_relative_to(source / "wav") and path.suffix.lower() == suffix
    }
    lists = sorted((source / "etc").glob("*.fileids"))
    if not lists:
        raise ManifestError(f"{source} holds no etc/*.fileids; expected an4_train.fileids and an4_train.transcription")
    order = _smoother([path for path in recordings.values() if path.suffix.lower() == ".raw"])
    listed = set[str]()
    for path in lists:
        use = next((use for use in ("train", "dev", "test") if use in path.stem.lower()), "train")
        ids, texts = entries(path), entries(path.with_suffix(".transcription"))
        if len(ids) != len(texts):
            raise ManifestError(f"{path} has {len(ids)} lines, its .transcription {len(texts)}; expected as many")
        for id_, text in zip(tqdm(ids, path.stem, unit="file", mininterval=0.5), texts, strict=True):
            listed.add(id_.text)
            said = _said(text, Path(id_.text).name)
            recording = recordings.get(id_.text)
            if recording is None:
                found.leave_out("no recording for the line", id_.text)
            elif not said:
                found.leave_out("empty text", id_.text)
            else:
                _add(found, id_.text, said, recording, order, source, base, use)
    for name in sorted(set(recordings) - listed):
        found.leave_out("no line for the recording", name)
    return found.usable("etc/*.fileids and etc/*.transcription with the recordings in wav/", source)


def _said(entry: Entry, name: str) -> str:
    """The words of a line "<s> YES </s> (an251-fash-b)"; refuses a line about another utterance."""
    match = re.fullmatch(r"(.*)\(([^()]*)\)", entry.text)
    if not match or match[2].strip() != name:
        raise entry.refusal(f"is {entry.text[:60]!r}; expected the words and ({name}), as the .fileids have it")
    return " ".join(word for word in match[1].split() if not re.fullmatch(r"<.*>|\+\+.*\+\+", word))


def _add(found: Found, id_: str, text: str, path: Path, order: str, source: Path, base: Path, use: str) -> None:
    row: dict[str, object] = {"audio": written_path(path, base), "text": text}
    if path.suffix.lower() == ".raw":
        samples = np.fromfile(path, order)
        target = base / "audio" / media.file_name(id_, ".flac")
        row |= {"audio": written_path(target, base), "duration": round(len(samples) / RATE_HZ, 3)}
        found.work.append(lambda: media.write(target, media.flac(_waveform(np.fromfile(path, order)), RATE_HZ)))
        readable = len(samples) > 0 and path.stat().st_size % 2 == 0
    else:
        try:
            row["duration"] = duration.seconds(path)
            readable = True
        except InputError:
            readable = False
    if not readable:
        found.leave_out("unreadable recording", id_)
        return
    speaker = Path(id_).parent.name or id_
    found.samples.append(Sample(speaker, {**row, "speaker": speaker, "source": source.resolve().name}, use))


def _waveform(samples: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> Waveform:
    return samples.astype(np.float32) / np.float32(32767)


def _smoother(paths: list[Path], enough: int = 20) -> str:
    """The byte order, "<i2" or ">i2", in which the first few raw files step less from sample to sample.

    In the wrong order the fast, small byte becomes the large one, and the sound noise of full scale.
    """
    steps = {"<i2": 0.0, ">i2": 0.0}
    for path in sorted(paths)[:enough]:
        for order in steps:
            steps[order] += float(np.abs(np.diff(np.fromfile(path, order).astype(np.int32))).sum())
    return min(steps, key=steps.__getitem__)
