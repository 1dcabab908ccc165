"""Decoders on the same posteriors: error rates against milliseconds, as rows, a table, and a picture."""

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipelines.peer_decoders import Run, Setting, Task, run, settings
from pipelines.tuning import posteriors
from recog import checkpoint, manifest, metrics, text, views
from recog.ctc.options import DecoderOptions
from recog.recognizer import DecodingOptions, Recognizer


@dataclass(frozen=True)
class Row:
    """One decoder at one setting."""

    decoder: str
    modality: str
    lm_kind: str
    beam: int
    # CPU milliseconds on one core for a second of sound, or for a line of handwriting.
    ms_per_second: float
    wer: float
    cer: float
    reach: str


@dataclass(frozen=True)
class Material:
    """Posteriors of a bundle on some rows of a manifest."""

    modality: str
    matrices: tuple[NDArray[np.float32], ...]
    references: tuple[str, ...]
    text_rule: str
    # Seconds of sound, or lines.
    amount: float
    task: Task


def prepare(name_or_path: str | Path, manifest_path: str | Path, part: str, rows: int) -> Material:
    """The posteriors of at most `rows` rows of a part, evenly drawn (0: of all)."""
    bundle = checkpoint.load(name_or_path)
    chosen = manifest.read(manifest_path, part)
    if rows:
        chosen = chosen[:: -(-len(chosen) // rows)]
    samples, references, _ = posteriors(bundle, chosen)
    recognizer = Recognizer(bundle, DecodingOptions(beam=0))
    # All decoders are given the letters of one look alone: no other knows what to do with more.
    matrices = [np.ascontiguousarray(recognizer.letters(views.surest(list(looks)))) for looks in samples]
    sound = bundle.kind == "speech"
    language = bundle.language
    task = Task(
        bundle.alphabet.symbols,
        language.word_model if language else None,
        next(iter(language.character_models.values()), None) if language else None,
        language.options if language else DecoderOptions(),
    )
    amount = recognizer.step_size * sum(map(len, matrices)) if sound else float(len(matrices))
    return Material(bundle.kind, tuple(matrices), tuple(references), bundle.text_rule, amount, task)


def measure(material: Material, pyctcdecode: Path | None = None) -> Iterator[Row]:
    """A row for every setting of every decoder that is installed."""
    for setting in tqdm(settings(material.task), desc=material.modality, unit="setting", leave=False):
        outcome = run(material.task, setting, material.matrices, pyctcdecode)
        if outcome is not None:
            yield _row(material, setting, outcome)


def _row(material: Material, setting: Setting, outcome: Run) -> Row:
    rule = text.rule(material.text_rule)
    pairs = [(reference, rule(found)) for reference, found in zip(material.references, outcome.texts, strict=True)]
    words = metrics.total([metrics.word_counts(*pair) for pair in pairs if pair[0]])
    characters = metrics.total([metrics.character_counts(*pair) for pair in pairs if pair[0]])
    return Row(
        setting.decoder,
        material.modality,
        setting.kind,
        setting.beam,
        1000 * outcome.seconds / material.amount,
        words.rate,
        characters.rate,
        " ".join(f"{name} {value:g}" for name, value in setting.reach),
    )


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Lines of text: the rows by modality, kind and decoder, then the verdicts."""
    yield f"{'modality':12} {'model':13} {'decoder':16} {'beam':>5} {'ms':>9} {'WER %':>7} {'CER %':>7}  reach"
    for row in sorted(rows, key=lambda row: (row.modality, row.lm_kind, row.decoder, row.ms_per_second)):
        yield (
            f"{row.modality:12} {row.lm_kind:13} {row.decoder:16} {row.beam:5} {row.ms_per_second:9.3f}"
            f" {100 * row.wer:7.2f} {100 * row.cer:7.2f}  {row.reach}"
        )
    yield from verdicts(rows)


def verdicts(rows: Sequence[Row]) -> Iterator[str]:
    """For every peer and kind of model: its best rate, what it took, and what ours takes to be as good.

    Words count in speech, characters in handwriting and without a model. Our open vocabulary is held against their
    closed one as well.
    """
    groups = sorted({(row.modality, row.lm_kind, row.decoder) for row in rows if row.decoder != "recog"})
    for modality, kind, peer in groups:
        by_words = modality == "speech" and kind != "none"
        theirs = [row for row in rows if (row.modality, row.lm_kind, row.decoder) == (modality, kind, peer)]
        best = min(theirs, key=lambda row: (_rate(row, by_words), row.ms_per_second))
        for our_kind in dict.fromkeys((kind, "word" if kind.startswith("word") else kind)):
            ours = [row for row in rows if (row.modality, row.lm_kind, row.decoder) == (modality, our_kind, "recog")]
            enough = [row for row in ours if _rate(row, by_words) <= _rate(best, by_words)]
            measure_name = "WER" if by_words else "CER"
            line = f"{modality}, {kind}: {peer} reaches {measure_name} {100 * _rate(best, by_words):.2f} % in {best.ms_per_second:.3f} ms; "
            if enough:
                quickest = min(enough, key=lambda row: row.ms_per_second)
                times = best.ms_per_second / quickest.ms_per_second
                yield line + f"recog ({our_kind}) needs {quickest.ms_per_second:.3f} ms, {times:.1f} times faster"
            elif ours:
                nearest = min(ours, key=lambda row: _rate(row, by_words))
                yield line + f"recog ({our_kind}) reaches {100 * _rate(nearest, by_words):.2f} %"


def _rate(row: Row, by_words: bool) -> float:
    return row.wer if by_words else row.cer


def as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    """The rows as plain values."""
    return [asdict(row) for row in rows]


_COLOURS = {"recog": "#c0392b", "flashlight": "#2471a3", "fast-ctc-decode": "#1e8449", "pyctcdecode": "#7d6608"}
_WIDTH, _HEIGHT, _MARGIN = 460, 320, 55


def picture(rows: Sequence[Row]) -> str:
    """An SVG: one panel for each modality and kind of model, milliseconds (logarithmic) against the error rate."""
    panels = sorted({(row.modality, row.lm_kind) for row in rows})
    drawn = []
    for number, (modality, kind) in enumerate(panels):
        chosen = [row for row in rows if (row.modality, row.lm_kind) == (modality, kind)]
        left, top = (number % 2) * _WIDTH, (number // 2) * _HEIGHT
        drawn.append(f'<g transform="translate({left},{top})">{_panel(chosen, f"{modality}, model: {kind}")}</g>')
    height = -(-len(panels) // 2) * _HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * _WIDTH}" height="{height}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="white"/>{"".join(drawn)}</svg>\n'
    )


def _panel(rows: Sequence[Row], title: str) -> str:
    by_words = rows[0].modality == "speech" and rows[0].lm_kind != "none"
    times = [math.log10(max(row.ms_per_second, 1e-4)) for row in rows]
    rates = [100 * _rate(row, by_words) for row in rows]
    low, high = math.floor(min(times)), math.floor(max(times)) + 1
    # Settings that are far worse than the best say nothing.
    bottom, ceiling = min(rates) * 0.98, min(max(rates) * 1.02, min(rates) * 1.3)

    def x(log_time: float) -> float:
        return _MARGIN + (log_time - low) / (high - low) * (_WIDTH - _MARGIN - 15)

    def y(rate: float) -> float:
        part = (min(rate, ceiling) - bottom) / max(ceiling - bottom, 1e-9)
        return _HEIGHT - _MARGIN - part * (_HEIGHT - _MARGIN - 40)

    parts = [f'<text x="{_WIDTH / 2}" y="18" text-anchor="middle" font-size="13">{html.escape(title)}</text>']
    for power in range(low, high + 1):
        parts.append(
            f'<line x1="{x(power)}" x2="{x(power)}" y1="40" y2="{_HEIGHT - _MARGIN}" stroke="#ddd"/>'
            f'<text x="{x(power)}" y="{_HEIGHT - _MARGIN + 15}" text-anchor="middle">{10.0**power:g}</text>'
        )
    for rate in np.linspace(bottom, ceiling, 5):
        parts.append(
            f'<line x1="{_MARGIN}" x2="{_WIDTH - 15}" y1="{y(rate)}" y2="{y(rate)}" stroke="#eee"/>'
            f'<text x="{_MARGIN - 5}" y="{y(rate) + 4}" text-anchor="end">{rate:.1f}</text>'
        )
    unit = "a second of sound" if rows[0].modality == "speech" else "a line"
    rate_name = "WER" if by_words else "CER"
    parts.append(
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - _MARGIN + 32}" text-anchor="middle">CPU ms for {unit}; across: {rate_name} %</text>'
    )
    for place, decoder in enumerate(dict.fromkeys(row.decoder for row in rows)):
        mine = sorted(
            (time, rate) for row, time, rate in zip(rows, times, rates, strict=True) if row.decoder == decoder
        )
        colour = _COLOURS.get(decoder, "black")
        points = " ".join(f"{x(time):.1f},{y(rate):.1f}" for time, rate in mine)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{x(time):.1f}" cy="{y(rate):.1f}" r="3" fill="{colour}"/>' for time, rate in mine]
        parts.append(f'<text x="{_WIDTH - 120}" y="{52 + 14 * place}" fill="{colour}">{html.escape(decoder)}</text>')
    return "".join(parts)
