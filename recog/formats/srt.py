"""SubRip subtitles (.srt): numbered cues with times to the millisecond. Confidences are not kept."""

import re
from collections.abc import Sequence

from recog.errors import InputError
from recog.formats.timed import Timed

_TIME = r"(\d+):(\d\d):(\d\d)[,.](\d{3})"
_TIMES = re.compile(rf"{_TIME}\s*-->\s*{_TIME}")


def dumps(cues: Sequence[Timed]) -> str:
    """Cues in order -> the text of a file. Lines of a cue's text stay; an empty line, which would end the cue, does not."""
    blocks = []
    for number, cue in enumerate(cues, 1):
        text = "\n".join(line for line in cue.text.splitlines() if line.strip())
        blocks.append(f"{number}\n{clock(cue.start)} --> {clock(cue.end)}\n{text}\n")
    return "\n".join(blocks)


def loads(content: str, name: str = "the subtitles") -> list[Timed]:
    """The text of a file -> its cues. Numbers, byte order marks and a point for the comma do not matter.

    Refuses a block without times, by its line in the file.
    """
    cues: list[Timed] = []
    lines = [*content.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]
    block: list[str] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            block.append(line)
        elif block:
            cues.append(_cue(block, f"{name}, line {number - len(block)}"))
            block = []
    return cues


def _cue(block: list[str], where: str) -> Timed:
    at = 0 if _TIMES.match(block[0].strip()) else 1
    times = _TIMES.match(block[at].strip()) if at < len(block) else None
    if times is None:
        raise InputError(
            f"{where}: {block[0]!r} begins no cue; expected a number and then 00:00:01,000 --> 00:00:02,500"
        )
    start, end = (
        (3_600_000 * int(hours) + 60_000 * int(minutes) + 1000 * int(seconds) + int(thousandths)) / 1000
        for hours, minutes, seconds, thousandths in (times.groups()[:4], times.groups()[4:])
    )
    return Timed("\n".join(line.rstrip() for line in block[at + 1 :]), start, end)


def clock(seconds: float, comma: str = ",") -> str:
    """Seconds -> 00:00:00,000."""
    thousandths = round(1000 * seconds)
    return (
        f"{thousandths // 3_600_000:02}:{thousandths // 60_000 % 60:02}:{thousandths // 1000 % 60:02}"
        f"{comma}{thousandths % 1000:03}"
    )
