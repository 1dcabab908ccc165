"""Bundle + pages whose lines and texts are known -> how many lines are found, and how much of the text is right."""

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from pipelines.handwriting import HandwritingPipeline
from pipelines.photograph import photographed
from pipelines.transcript import PageTranscript
from recog import image, metrics, text
from recog.corpora import crop
from recog.layout import marked, matching
from recog.layout.marked import MarkedLine, MarkedPage, Points
from recog.layout.matching import Matches
from recog.metrics import Counts
from recog.recognizer import DecodingOptions


@dataclass(frozen=True)
class MeasuredPage:
    """One page: its lines, its text as found, and its text as read from the true outlines."""

    page: MarkedPage
    matches: Matches
    # Characters of the page's text, lines in the order they were found in.
    whole: Counts
    # Characters of its lines, each cut by its true outline.
    lines: Counts
    # Wall time from the file to the transcript.
    seconds: float


def measure(
    bundle: str | Path,
    pages_path: Path,
    options: DecodingOptions | None = None,
    degrees: float = 0.0,
    most: int = 0,
    photographs: bool = False,
) -> list[MeasuredPage]:
    """Reads the pages of a manifest (of `most` of them, evenly drawn; 0: all), turned anticlockwise by `degrees` first, or as
    `photographs` of a page on a table.

    Lines that are cut by their true outlines are cut from the page as it is given.
    """
    pipeline = HandwritingPipeline.load(bundle, options)
    pages = marked.read(pages_path)
    if 0 < most < len(pages):
        pages = [pages[number] for number in np.linspace(0, len(pages) - 1, most).round().astype(int)]
    numbered = enumerate(tqdm(pages, unit="page", disable=None))
    return [_measure(pipeline, page, degrees, number if photographs else None) for number, page in numbered]


def _measure(pipeline: HandwritingPipeline, page: MarkedPage, degrees: float, seed: int | None) -> MeasuredPage:
    picture = image.read(page.picture)
    rule = text.rule(pipeline.recognizer.bundle.text_rule)
    baselines = [line.baseline for line in page.lines]
    shown, there = turned(picture, baselines, degrees) if seed is None else photographed(picture, baselines, seed)
    file = io.BytesIO()
    shown.save(file, "PNG", compress_level=1)
    begun = time.monotonic()
    found = pipeline(file.getvalue())
    seconds = time.monotonic() - begun
    along = [np.array(line.baseline, dtype=np.float64) for line in found.lines]
    matches = matching.match(there, along)
    counted = _counted(page.lines, there, found, along, matches)
    reference = "\n".join(rule(line.text) for line in page.lines if not _ignored(line))
    whole = metrics.character_counts(reference, "\n".join(rule(line) for line in counted))
    return MeasuredPage(page, matches, whole, _lines(pipeline, picture, page), seconds)


def turned(picture: Image.Image, lines: Sequence[Points], degrees: float) -> tuple[Image.Image, list[Points]]:
    """A page and its baselines, turned anticlockwise; the sheet grows so that nothing is cut off."""
    if not degrees:
        return picture, list(lines)
    paper = int(np.percentile(np.asarray(picture), 70))
    shown = picture.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=paper)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cos, -sin], [sin, cos]])  # rows are points: x cos + y sin, -x sin + y cos
    before, after = np.array(picture.size) / 2, np.array(shown.size) / 2
    return shown, [(points - before) @ turn + after for points in lines]


def _ignored(line: MarkedLine) -> bool:
    return line.left_out or not line.text


def _counted(
    lines: Sequence[MarkedLine],
    there: Sequence[Points],
    found: PageTranscript,
    baselines: Sequence[Points],
    matches: Matches,
) -> list[str]:
    """The texts that were found, without those of lines whose text is not counted or not known."""
    known = {column: row for row, column in matches.pairs}
    ignored = [number for number, line in enumerate(lines) if _ignored(line)]
    texts = []
    for column, line in enumerate(found.lines):
        row = known.get(column)
        if row is None and ignored:  # a piece of such a line is no line of the text either
            near = [_run_along(baselines[column], there[number]) for number in ignored]
            row = ignored[int(np.argmin(near))] if min(near) <= 0.5 * matching.line_distance(there) else None
        if row is None or row not in ignored:
            texts.append(line.text)
    return texts


def _run_along(piece: Points, line: Points) -> float:
    """The mean distance of a piece's points to a line."""
    first, second = marked.resample(piece, matching.STEP_PX), marked.resample(line, matching.STEP_PX)
    return float(np.hypot(*(first[:, None] - second[None]).transpose(2, 0, 1)).min(axis=1).mean())


def _lines(pipeline: HandwritingPipeline, picture: Image.Image, page: MarkedPage) -> Counts:
    rule = text.rule(pipeline.recognizer.bundle.text_rule)
    lines = [line for line in page.lines if not _ignored(line)]
    cuts = []
    for line in lines:
        across, down = line.baseline[-1] - line.baseline[0]
        outline = np.clip(line.polygon, 0, picture.size)
        cuts.append(crop.cut(picture, crop.Cut(outline, float(np.degrees(np.arctan2(down, across))))))
    features = [image.features(image.fit_height(cut, pipeline.frontend), pipeline.frontend) for cut in cuts]
    recognitions = pipeline.recognizer.recognise(features, ["page"] * len(features))
    heard = [recognition.hypothesis.text for recognition in recognitions]
    return metrics.total(
        [metrics.character_counts(rule(line.text), rule(said)) for line, said in zip(lines, heard, strict=True)]
    )


def as_json(pages: Sequence[MeasuredPage]) -> dict[str, Any]:
    """`line_precision`, `line_recall`, `line_f1`, `page_cer`, `line_cer`, `seconds_a_page`, the same `by` source, `pages`."""
    groups: dict[str, list[MeasuredPage]] = {}
    for page in pages:
        groups.setdefault(page.page.source, []).append(page)
    each = [{"image": page.page.picture.name, **_rates([page])} for page in pages]
    return {**_rates(pages), "by": {name: _rates(group) for name, group in sorted(groups.items())}, "pages": each}


def _rates(pages: Sequence[MeasuredPage]) -> dict[str, Any]:
    lines = matching.scores([page.matches for page in pages])
    return {
        "line_precision": round(lines.precision, 4),
        "line_recall": round(lines.recall, 4),
        "line_f1": round(lines.f1, 4),
        "page_cer": round(metrics.total([page.whole for page in pages]).rate, 4),
        "line_cer": round(metrics.total([page.lines for page in pages]).rate, 4),
        "pages_measured": len(pages),
        "lines_there": sum(page.matches.there for page in pages),
        "lines_found": sum(page.matches.found for page in pages),
        "seconds_a_page": round(sum(page.seconds for page in pages) / max(len(pages), 1), 3),
    }


def table(report: dict[str, Any]) -> Iterator[str]:
    """The report as lines of text."""
    yield f"{'':28} {'pages':>5} {'lines':>5} {'precision':>9} {'recall':>7} {'F1':>6} {'page CER':>9} {'line CER':>9}"
    for name, rates in [*report["by"].items(), ("all", report)]:
        yield (
            f"{name:28} {rates['pages_measured']:5} {rates['lines_there']:5} {rates['line_precision']:9.3f} "
            f"{rates['line_recall']:7.3f} {rates['line_f1']:6.3f} {rates['page_cer']:9.2%} {rates['line_cer']:9.2%}"
        )
    yield f"{report['seconds_a_page']:.2f} s a page"
