"""LibriSpeech's layout (Panayotov 2015): SUBSET/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt, recordings beside it."""

from pathlib import Path

from tqdm import tqdm

from recog.corpora import duration
from recog.corpora.found import Found, Sample, walk, written_path
from recog.errors import InputError

TEXTS = ".trans.txt"


def read(source: Path, base: Path) -> Found:
    """Utterances -> samples for a manifest in `base`, grouped by speaker; `source` in each row is the subset.

    Where speakers lie right in the source, the source is the subset.
    Refuses a source without a single utterance that has both its line and its recording.
    """
    found = Found()
    files = walk(source, found)
    recordings = {path.with_suffix(""): path for path in files if path.suffix.lower() in duration.SUFFIXES}
    chapters = [path for path in files if path.name.endswith(TEXTS)]
    for chapter in tqdm(chapters, "chapters", unit="chapter", mininterval=0.5):
        try:
            lines = chapter.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError):
            found.leave_out("text that cannot be read as UTF-8", chapter.relative_to(source).as_posix())
            continue
        subset = chapter.relative_to(source).parent.parent.parent.name or source.resolve().name
        for line in filter(None, map(str.strip, lines)):
            utterance, _, text = line.partition(" ")
            path = recordings.pop(chapter.with_name(utterance), None)
            if path is None:
                found.leave_out("no recording for the line", utterance)
            elif not text.strip():
                found.leave_out("empty text", utterance)
            else:
                _add(found, utterance, text.strip(), path, written_path(path, base), subset)
    for path in sorted(recordings.values()):
        found.leave_out("no line for the recording", path.relative_to(source).as_posix())
    return found.usable(f"SPEAKER/CHAPTER/SPEAKER-CHAPTER{TEXTS} with the recordings beside each", source)


def _add(found: Found, utterance: str, text: str, path: Path, written: str, subset: str) -> None:
    try:
        length = duration.seconds(path)
    except InputError:
        found.leave_out("unreadable recording", utterance)
        return
    speaker = utterance.split("-")[0]
    row = {"audio": written, "text": text, "duration": length, "speaker": speaker, "source": subset}
    found.samples.append(Sample(speaker, row))
