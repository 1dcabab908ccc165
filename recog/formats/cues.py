"""Words with times -> cues, the pieces of text that subtitles show one after another."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from recog.formats.timed import Timed

_ENDS = tuple(".!?…。！？")


@dataclass(frozen=True)
class CueOptions:
    """How much fits into a cue; the defaults are the usual ones of television."""

    line_characters: int = 42
    lines: int = 2
    longest_seconds: float = 7.0
    # A pause of so many seconds ends a cue, and so does the end of a sentence.
    pause_seconds: float = 0.8


def cues(words: Sequence[Timed], options: CueOptions | None = None) -> list[Timed]:
    """Words in order -> cues in order. A cue lasts from its first word to its last; long texts are broken into lines."""
    options = options or CueOptions()
    groups: list[list[Timed]] = []
    for word in words:
        if groups and _belongs(word, groups[-1], options):
            groups[-1].append(word)
        else:
            groups.append([word])
    return [_cue(group, options) for group in groups]


def _belongs(word: Timed, group: Sequence[Timed], options: CueOptions) -> bool:
    text = " ".join(one.text for one in (*group, word))
    return (
        not group[-1].text.rstrip("\"'’”»)]").endswith(_ENDS)
        and word.start - group[-1].end < options.pause_seconds
        and word.end - group[0].start <= options.longest_seconds
        and len(_broken(text, options)) <= options.lines
    )


def _cue(group: Sequence[Timed], options: CueOptions) -> Timed:
    text = "\n".join(_broken(" ".join(word.text for word in group), options))
    sure = [word.confidence for word in group if word.confidence is not None]
    return Timed(text, group[0].start, group[-1].end, min(sure) if sure else None)


def _broken(text: str, options: CueOptions) -> list[str]:
    return textwrap.wrap(text, options.line_characters, break_long_words=False, break_on_hyphens=False)
