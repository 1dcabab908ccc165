"""Samples that are far from the rest of their corpus, or that no one could read: pace, silence, clipping, contrast."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from recog.inspection.facts import Picture, Sound
from recog.inspection.finding import Finding, Sample, counted

# Robust z-scores beyond this are outliers: one in two million, were the corpus normally distributed.
_FAR = 5.0
# A source of fewer rows is judged by the distribution of all.
_ENOUGH_ROWS = 30
# Fewer samples than these have no distribution to speak of.
_FEWEST = 8


def pace(samples: Sequence[Sample], is_sound: bool) -> Iterator[Finding]:
    """Outliers of log(frames a character), within the source or else within all."""
    usable = [sample for sample in samples if sample.spelled and sample.facts.frames]
    logs = np.array([math.log(sample.facts.frames / len(sample.spelled)) for sample in usable])
    sizes = Counter(str(sample.row.fields.get("source")) for sample in usable)
    groups: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(usable):
        source = str(sample.row.fields.get("source"))
        groups[source if sizes[source] >= _ENOUGH_ROWS else ""].append(index)
    for name, members in groups.items():
        reference = logs[members] if name else logs
        if len(reference) < _FEWEST:
            continue
        middle, spread = centre(reference)
        for index in members:
            far = round(abs(logs[index] - middle) / spread, 1)
            if far > _FAR:
                yield usable[index].finding("pace", _pace_told(usable[index], math.exp(middle), is_sound), far)


def _pace_told(sample: Sample, usual: float, is_sound: bool) -> str:
    characters, mine = len(sample.spelled), sample.facts.frames / len(sample.spelled)
    if is_sound and isinstance(sample.facts.content, Sound):
        seconds = sample.facts.content.seconds
        rate, usual_rate = characters / seconds, characters / seconds * mine / usual
        told = f"{counted(characters, 'character')} in {seconds:.1f} s, {rate:.1f} a second; usual are {usual_rate:.1f}"
    else:
        told = (
            f"{counted(characters, 'character')} on {sample.facts.frames} px, {mine:.0f} px each; usual are {usual:.0f}"
        )
    return f"{told}: {sample.spelled[:40]!r}"


def centre(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    """Median and 1.4826 x median absolute deviation, at least 0.1: the robust twins of mean and standard deviation.

    1.4826 makes the second equal the standard deviation of normal data (Hampel 1974).
    """
    middle = float(np.median(values))
    return middle, max(0.1, 1.4826 * float(np.median(np.abs(values - middle))))


def sounds(samples: Sequence[Sample]) -> Iterator[Finding]:
    """Recordings with far more silence than the others, or at full scale for more than a thousandth of their samples."""
    heard = [(sample, sample.facts.content) for sample in samples if isinstance(sample.facts.content, Sound)]
    if not heard:
        return
    middle, spread = centre(np.array([sound.silence for _, sound in heard]))
    for sample, sound in heard:
        if sound.level_db < -60:
            yield sample.finding("silent", f"holds {sound.seconds:.1f} s of silence")
        elif sound.silence > min(0.9, max(0.5, middle + _FAR * spread)):
            yield sample.finding("silent", f"{100 * sound.silence:.0f} % of {sound.seconds:.1f} s are silence")
        if sound.clipped > 1e-3:
            yield sample.finding("clipped", f"{100 * sound.clipped:.1f} % of the samples are at full scale")


def pictures(samples: Sequence[Sample]) -> Iterator[Finding]:
    """Pictures without contrast, and negatives."""
    for sample in samples:
        seen = sample.facts.content
        if isinstance(seen, Picture) and seen.contrast < 16:
            yield sample.finding("blank", f"its grey levels lie within {seen.dark:.0f} to {seen.bright:.0f} of 255")
        elif isinstance(seen, Picture) and seen.inverted:
            yield sample.finding(
                "inverted", f"half of it is darker than {seen.middle:.0f}, its ink is {seen.bright:.0f}"
            )
