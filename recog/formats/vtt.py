"""WebVTT subtitles (.vtt, W3C 2019): cues with times to the millisecond, and who speaks. Confidences are not kept."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from recog.errors import InputError
from recog.formats.srt import clock
from recog.formats.timed import Timed

_TIME = r"(?:(\d{2,}):)?(\d\d):(\d\d)\.(\d{3})"
# Settings of place and alignment may follow the times.
_TIMES = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t].*)?")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?[ \t]+([^>]*)>")
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class VoicedCue(Timed):
    """A cue, and the name of who speaks, where it is known."""

    voice: str = ""


def dumps(cues: Sequence[Timed]) -> str:
    """Cues -> the text of a file. Lines of a cue's text stay; an empty line, which would end the cue, does not."""
    blocks = ["WEBVTT\n"]
    for cue in cues:
        text = "\n".join(html.escape(line, quote=False) for line in cue.text.splitlines() if line.strip())
        voice = " ".join(cue.voice.split()) if isinstance(cue, VoicedCue) else ""
        said = f"<v {html.escape(voice, quote=False)}>{text}" if voice else text
        blocks.append(f"{clock(cue.start, '.')} --> {clock(cue.end, '.')}\n{said}\n")
    return "\n".join(blocks)


def loads(content: str, name: str = "the subtitles") -> list[VoicedCue]:
    """The text of a file -> its cues. Notes, styles, regions, settings and marks within the text do not matter.

    Refuses what does not begin with WEBVTT, and a cue without times, by its line in the file.
    """
    lines = content.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not re.match(r"WEBVTT([ \t]|$)", lines[0]):
        raise InputError(f"{name} is no WebVTT; expected WEBVTT in its first line, found {lines[0][:40]!r}")
    found: list[VoicedCue] = []
    block: list[str] = []
    header = True
    for number, line in enumerate([*lines, ""], 1):
        if line:
            block.append(line)
        elif block:
            if not header and not re.match(r"(NOTE|STYLE|REGION)([ \t]|$)", block[0]):
                found.append(_cue(block, f"{name}, line {number - len(block)}"))
            block, header = [], False
    return found


def _cue(block: list[str], where: str) -> VoicedCue:
    at = 0 if "-->" in block[0] else 1
    times = _TIMES.fullmatch(block[at].strip()) if at < len(block) else None
    if times is None:
        raise InputError(f"{where}: {block[0]!r} begins no cue; expected 00:00:01.000 --> 00:00:02.500")
    start, end = (
        (3_600_000 * int(hours or 0) + 60_000 * int(minutes) + 1000 * int(seconds) + int(thousandths)) / 1000
        for hours, minutes, seconds, thousandths in (times.groups()[:4], times.groups()[4:])
    )
    text = "\n".join(block[at + 1 :])
    voice = _VOICE.search(text)
    said = html.unescape(_TAG.sub("", text))
    return VoicedCue(said, start, end, voice=html.unescape(voice.group(1)).strip() if voice else "")
