"""Confidences of a bundle against what came true: tables, plain values, and a reliability diagram."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipelines.confidence import OPTIONS, Bin, Reliability, judge, modes, reliability
from pipelines.tuning import posteriors
from recog import checkpoint, manifest
from recog.checkpoint import Bundle
from recog.recognizer import Recognizer


@dataclass(frozen=True)
class Way:
    """One way of decoding: its confidences as they come out, and what they are without calibration."""

    bundle: str
    mode: str
    # False: the bundle has no calibration for it, and `found` is `raw`.
    calibrated: bool
    found: Reliability
    raw: Reliability


def measure(name_or_path: str | Path, manifest_path: str | Path, part: str | None, rows: int) -> list[Way]:
    """Every way in which the bundle can decode, on at most `rows` rows of a part, evenly drawn (0: on all)."""
    bundle = checkpoint.load(name_or_path)
    chosen = manifest.read(manifest_path, part)
    if rows:
        chosen = chosen[:: -(-len(chosen) // rows)]
    samples, references, _ = posteriors(bundle, chosen)
    return [way for mode in modes(bundle) if (way := _way(bundle, mode, samples, references)) is not None]


def _way(bundle: Bundle, mode: str, samples: Sequence[NDArray[np.float32]], references: Sequence[str]) -> Way | None:
    """None where not one word was recognised."""
    language = bundle.language
    plain = replace(bundle, language=replace(language, confidences={}) if language else None)
    judged = judge(Recognizer(plain, OPTIONS[mode]).read(samples), references, bundle.text_rule)
    if not len(judged.right):
        return None
    calibration = language.confidences.get(mode) if language else None
    raw = reliability(judged.confidences, judged.right)
    found = reliability(calibration.confidences(judged.evidence), judged.right) if calibration else raw
    return Way(bundle.name, mode, calibration is not None, found, raw)


def table(ways: Sequence[Way]) -> Iterator[str]:
    """Lines of text: an overview, then the bins of each way."""
    yield "expected calibration error, 10 bins of equal width / of equal mass; NCE: normalised cross entropy"
    for way in ways:
        yield (
            f"{way.bundle:18} {way.mode:9} {'calibrated' if way.calibrated else 'raw':10} {way.found.words:6} words,"
            f" {100 * way.found.right:5.1f} % right: {100 * way.found.error_width:5.2f} % / {100 * way.found.error_mass:5.2f} %,"
            f" NCE {way.found.cross_entropy:5.2f} (raw {100 * way.raw.error_width:5.2f} % / {100 * way.raw.error_mass:5.2f} %)"
        )
    for way in ways:
        yield f"{way.bundle}, {way.mode}: confidence -> right (words)"
        yield "  " + "  ".join(
            f"{one.confidence:.2f} -> {one.right:.2f} ({one.words})" for one in way.found.bins_width if one.words
        )


def as_json(ways: Sequence[Way]) -> list[dict[str, object]]:
    """The ways as plain values."""
    return [asdict(way) for way in ways]


_PANEL, _MARGIN, _TOP, _BARS = 300, 46, 40, 50
_RAW, _CALIBRATED, _GRID = "#999999", "#c0392b", "#dddddd"


def picture(ways: Sequence[Way]) -> Image.Image:
    """Reliability diagrams, one panel a way: confidence across, rate of right words up; below, words in each bin."""
    columns = 3
    height = _TOP + _PANEL + _BARS + _MARGIN
    width = _MARGIN + _PANEL + 16
    rows = -(-len(ways) // columns)
    drawn = Image.new("RGB", (width * min(columns, max(1, len(ways))), max(1, rows) * height), "white")
    pen = ImageDraw.Draw(drawn)
    for number, way in enumerate(ways):
        _panel(pen, (number % columns) * width + _MARGIN, (number // columns) * height + _TOP, way)
    return drawn


def _panel(pen: ImageDraw.ImageDraw, left: int, top: int, way: Way) -> None:
    font = ImageFont.load_default(12)
    bottom = top + _PANEL
    for tenth in range(0, 11, 2):
        at = _PANEL * tenth / 10
        pen.line([left + at, top, left + at, bottom], _GRID)
        pen.line([left, bottom - at, left + _PANEL, bottom - at], _GRID)
        pen.text((left + at, bottom + _BARS + 3), f"{tenth / 10:g}", "black", font, "mt")
        pen.text((left - 5, bottom - at), f"{tenth / 10:g}", "black", font, "rm")
    pen.line([left, bottom, left + _PANEL, top], "black")
    most = max(one.words for one in way.found.bins_width)
    for one in way.found.bins_width:
        level = bottom + _BARS * (1 - one.words / most)
        pen.rectangle([left + _PANEL * one.low + 2, level, left + _PANEL * one.high - 2, bottom + _BARS], _GRID)
    if way.calibrated:
        _curve(pen, left, bottom, way.raw.bins_width, _RAW)
    _curve(pen, left, bottom, way.found.bins_width, _CALIBRATED if way.calibrated else _RAW)
    title = f"{way.bundle}, {way.mode}: ECE {100 * way.found.error_width:.1f} %"
    if way.calibrated:
        title += f" (raw {100 * way.raw.error_width:.1f} %)"
    pen.text((left + _PANEL / 2, top - 10), title, "black", font, "ms")
    pen.text((left + _PANEL / 2, bottom + _BARS + 18), "confidence; up: words that are right", "black", font, "mt")


def _curve(pen: ImageDraw.ImageDraw, left: int, bottom: int, bins: Sequence[Bin], colour: str) -> None:
    points = [(left + _PANEL * one.confidence, bottom - _PANEL * one.right) for one in bins if one.words]
    pen.line(points, colour, 2)
    for x, y in points:
        pen.ellipse([x - 3, y - 3, x + 3, y + 3], colour)
