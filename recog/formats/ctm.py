"""CTM, NIST's time-marked words (sctk, ctm.5): `recording channel start duration word [confidence]`, a word a line."""

from collections.abc import Sequence
from dataclasses import dataclass

from recog.errors import InputError
from recog.formats.timed import Timed


@dataclass(frozen=True)
class CtmRecording:
    """The words of one channel of one recording."""

    # Without white space, as the format wants it.
    name: str
    words: tuple[Timed, ...]
    channel: str = "1"


def dumps(recordings: Sequence[CtmRecording]) -> str:
    """Recordings -> the text of a file: seconds to the millisecond, the confidence where it is known.

    White space, which the format has no place for, becomes _ in names and words. A word may not look like a comment.
    """
    lines = []
    for recording in recordings:
        for word in recording.words:
            start, end = round(word.start, 3), round(word.end, 3)
            confidence = "" if word.confidence is None else f" {word.confidence:.4f}"
            lines.append(
                f"{_joined(recording.name)} {_joined(recording.channel)} {start:.3f} {end - start:.3f} {_joined(word.text)}{confidence}\n"
            )
    return "".join(lines)


def loads(content: str, name: str = "the CTM file") -> list[CtmRecording]:
    """The text of a file -> its recordings, in the order of their first words. Lines that begin with ;; are comments.

    Refuses a line without five or six fields, and times or confidences that are no numbers, by line.
    """
    words: dict[tuple[str, str], list[Timed]] = {}
    for number, line in enumerate(content.removeprefix("\ufeff").split("\n"), 1):
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        if not 5 <= len(fields) <= 6:
            raise InputError(
                f"{name}, line {number}: {len(fields)} fields came; expected recording, channel, start, duration, word and perhaps confidence"
            )
        try:
            start, duration = float(fields[2]), float(fields[3])
            confidence = None if len(fields) == 5 or fields[5].upper() == "NA" else float(fields[5])
        except ValueError as error:
            raise InputError(f"{name}, line {number}: {error}; expected seconds and a confidence") from error
        word = Timed(fields[4], start, round(start + duration, 6), confidence)
        words.setdefault((fields[0], fields[1]), []).append(word)
    return [CtmRecording(recording, tuple(found), channel) for (recording, channel), found in words.items()]


def _joined(field: str) -> str:
    return "_".join(field.split()) or "_"
