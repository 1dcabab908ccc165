"""Keyword spotting by a network that is taught nothing but the keywords, in their order (2007).

python scripts/experiments/keywords.py --train TRAIN --dev DEV [--words all,little | --count 12] [--bundle BUNDLE]
    [--rows 1000] [--dev-rows 200] [--longest 600] [--hidden 96] [--layers 2] [--epochs 20] [--seeds 1] [--json FILE]
    [--plot FILE.png] [--quick]

Fernandez, Graves & Schmidhuber 2007: BLSTM and CTC, whose labels are the keywords; all other words are blank, and nobody tells
where anything is. Accuracy is 1 - edits / keywords said, of the best path; hits and false alarms come from a keyword's
highest posterior in a recording, at every threshold. With `--bundle` a whole recogniser's greedy transcripts are
searched for the same words. The quick form whistles words of which others differ by one letter.
"""

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from framewise import Stack, answers, label_error, learn, weights_of
from numpy.typing import NDArray

from recog import audio, checkpoint, manifest, plot
from recog.audio import SpeechFrontend
from recog.corpora import tones
from recog.ctc.greedy import greedy
from recog.errors import InputError, RecogError
from recog.evaluation import evaluate
from recog.manifest import Row
from recog.recognizer import DecodingOptions, Recognizer
from recog.tasks import report
from recog.tasks.utterances import Utterance
from recog.text import rule

# Frames of 10 ms that are one step of the network.
POOL = 3
# A keyword has at least so many letters, unless it is named.
LONG = 4
TOY_KEYWORDS = ("tano", "nita")
TOY_OTHERS = ("tani", "nota", "dano", "nido", "tino", "dita")


@dataclass(frozen=True)
class Trade:
    """At some threshold: the share of keywords' recordings that are found, and false alarms a keyword and hour."""

    hits: float
    alarms: float


def trades(scores: NDArray[np.float64], said: NDArray[np.bool_], hours: float) -> list[Trade]:
    """(N, K) scores of K keywords in N recordings, and whether they are said in them -> what every threshold gives, strictest first."""
    order = np.argsort(-scores, axis=None, kind="stable")
    right = said.ravel()[order]
    # Between equal scores no threshold can be set.
    ends = np.append(np.flatnonzero(np.diff(scores.ravel()[order])), len(order) - 1)
    hits, alarms = np.cumsum(right)[ends], np.cumsum(~right)[ends]
    per = max(1, int(right.sum())), hours * said.shape[1]
    return [Trade(int(hit) / per[0], int(alarm) / per[1]) for hit, alarm in zip(hits, alarms, strict=True)]


def order_right(scores: NDArray[np.float64], said: NDArray[np.bool_]) -> float:
    """How often a recording with a keyword has a higher score for it than one without: the area under the curve.

    Mean over keywords; those said in all recordings or in none cannot be judged.
    """
    areas = []
    for column, truth in zip(scores.T, said.T, strict=True):
        if truth.any() and not truth.all():
            above = (column[truth][:, None] > column[~truth]) + 0.5 * (column[truth][:, None] == column[~truth])
            areas.append(float(above.mean()))
    return statistics.mean(areas) if areas else float("nan")


def frequent(texts: Sequence[str], count: int) -> tuple[str, ...]:
    """The words of LONG letters and more that most rows hold."""
    held = Counter(word for text in texts for word in set(text.split()) if len(word) >= LONG)
    return tuple(word for word, _ in sorted(held.items(), key=lambda item: (-item[1], item[0]))[:count])


def numbers(text: str, words: Sequence[str]) -> tuple[int, ...]:
    """The keywords of a text in their order, from 1."""
    return tuple(words.index(word) + 1 for word in text.split() if word in words)


def chosen(rows: Sequence[Row], words: Sequence[str], count: int, seed: int) -> list[Row]:
    """Rows that hold keywords, and others up to the same number, drawn by a seed; `count` at most."""
    spoken, random = rule("spoken"), np.random.default_rng(seed)
    shuffled = [rows[place] for place in random.permutation(len(rows)).tolist()]
    holding = [row for row in shuffled if numbers(spoken(row.text), words)][: max(1, count * 2 // 3)]
    kept = set(map(id, holding))
    others = [row for row in shuffled if id(row) not in kept and not numbers(spoken(row.text), words)]
    return [*holding, *others[: min(len(holding), count - len(holding))]]


def heard(rows: Sequence[Row], words: Sequence[str], form: SpeechFrontend) -> list[Utterance]:
    """Features and keywords of rows; where they are is nobody's business."""
    spoken, nowhere = rule("spoken"), np.zeros(0, np.int64)
    return [
        Utterance(
            row.id,
            audio.features(audio.read(row.path, form.rate_hz), form),
            nowhere,
            numbers(spoken(row.text), words),
        )
        for row in rows
    ]


def whistled(count: int, seed: int, form: SpeechFrontend) -> list[Utterance]:
    """One to three whistled words, most of which are no keywords."""
    random, found = np.random.default_rng(seed), []
    for number in range(count):
        words = random.choice([*TOY_KEYWORDS, *TOY_KEYWORDS, *TOY_OTHERS], random.integers(1, 4)).tolist()
        voice = tones.Voice(random.uniform(0.95, 1.05), 0.08, 0.1)
        waveform = tones.whistle(" ".join(words), voice, random)[:: tones.RATE_HZ // form.rate_hz] / 32768
        features = audio.features(waveform.astype(np.float32), form)
        said = numbers(" ".join(words), TOY_KEYWORDS)
        found.append(Utterance(str(number), features, np.zeros(0, np.int64), said))
    return found


@dataclass(frozen=True)
class Spotted:
    """What networks of several seeds came to; the scores are the last one's."""

    accuracy: tuple[float, ...]
    scores: NDArray[np.float64]
    weights: int
    minutes: float


def spot(
    taught: Sequence[Utterance], tested: Sequence[Utterance], both: bool, size: int, arguments: argparse.Namespace
) -> Spotted:
    """Trains and measures; one way with the same number of cells in all."""
    began, accuracy, scores, weights = time.process_time(), [], np.zeros((0, 0)), 0
    hidden = arguments.hidden if both else 2 * arguments.hidden
    for seed in range(arguments.seeds):
        torch.manual_seed(seed)
        network = Stack(taught[0].features.shape[1], hidden, arguments.layers, both, size + 1, arguments.pool)
        learn(network, taught, True, arguments.epochs, arguments.rate, arguments.noise, seed)
        log_probs, weights = answers(network, tested), weights_of(network)
        accuracy.append(1 - label_error([greedy(one).labels for one in log_probs], tested))
        scores = np.array([one[:, 1:].max(axis=0) for one in log_probs], np.float64)
    return Spotted(tuple(accuracy), scores, weights, (time.process_time() - began) / 60)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims; 1 where a quick claim fails or the data cannot be used."""
    options = report.parser(__doc__, seeds=1)
    options.add_argument("--train", type=Path, help="manifest to train on")
    options.add_argument("--dev", type=Path, help="manifest to measure on")
    options.add_argument("--words", help="keywords with commas between (default: those that most rows hold)")
    options.add_argument("--count", type=int, default=12, help="keywords, where none are named (default 12)")
    options.add_argument("--bundle", help="recogniser whose transcripts are searched for comparison")
    options.add_argument("--rows", type=int, default=1000, help="rows to train on (default 1000)")
    options.add_argument("--dev-rows", type=int, default=200, help="rows to measure on (default 200)")
    options.add_argument("--longest", type=float, default=6.0, help="most seconds of a row (default 6)")
    options.add_argument("--hidden", type=int, default=96, help="cells in each direction of a layer (default 96)")
    options.add_argument("--layers", type=int, default=2, help="layers (default 2)")
    options.add_argument("--epochs", type=int, default=20, help="passes over the rows (default 20)")
    options.add_argument("--rate", type=float, default=3e-3, help="highest learning rate (default 0.003)")
    options.add_argument("--noise", type=float, default=0.3, help="noise on the features (default 0.3)")
    options.set_defaults(pool=POOL)
    arguments = options.parse_args(argv)
    if not arguments.quick and not (arguments.train and arguments.dev):
        options.error("give --train and --dev, or --quick")
    try:
        return quick(arguments) if arguments.quick else full(arguments)
    except RecogError as error:
        print(f"keywords: {error}", file=sys.stderr)
        return 1


def quick(arguments: argparse.Namespace) -> int:
    """Whistled words."""
    form = SpeechFrontend(rate_hz=8000, mel_bands=20, high_hz=3900.0, hop_seconds=0.02)
    arguments.hidden, arguments.layers, arguments.epochs, arguments.rate = 32, 1, 20, 0.02
    arguments.noise, arguments.pool, arguments.seeds = 0.0, 2, 1
    taught, tested = whistled(240, 1, form), whistled(60, 2, form)
    hours = sum(len(one.features) for one in tested) * form.hop_seconds / 3600
    both = spot(taught, tested, True, len(TOY_KEYWORDS), arguments)
    claim = report.Claim(
        "taught keywords alone, it tells them from words one letter off: accuracy above 80 %", both.accuracy[0] > 0.8
    )
    return told(arguments, {"both ways": both}, tested, TOY_KEYWORDS, hours, [], [claim])


def full(arguments: argparse.Namespace) -> int:
    """The user's recordings. Refuses manifests without keywords."""
    form, spoken = SpeechFrontend(mel_bands=40), rule("spoken")
    rows, dev = (
        [row for row in manifest.read(path) if (row.duration or 0.0) <= arguments.longest]
        for path in (arguments.train, arguments.dev)
    )
    words = (
        tuple(arguments.words.split(","))
        if arguments.words
        else frequent([spoken(row.text) for row in rows], arguments.count)
    )
    some, others = chosen(rows, words, arguments.rows, 1), chosen(dev, words, arguments.dev_rows, 2)
    taught, tested = heard(some, words, form), heard(others, words, form)
    if not any(one.said for one in taught) or not any(one.said for one in tested):
        raise InputError(
            f"no row of at most {arguments.longest} s of both manifests holds any of {', '.join(words)}; name other --words"
        )
    hours = sum(len(one.features) for one in tested) * form.hop_seconds / 3600
    found = {
        "both ways": spot(taught, tested, True, len(words), arguments),
        "one way": spot(taught, tested, False, len(words), arguments),
    }
    claims = [
        report.Claim(
            "2007: both ways beat one way",
            statistics.mean(found["both ways"].accuracy) > statistics.mean(found["one way"].accuracy),
        )
    ]
    peers = []
    if arguments.bundle:
        began = time.process_time()
        recognizer = Recognizer(checkpoint.load(arguments.bundle), DecodingOptions(beam=0))
        pairs = evaluate(recognizer, others).pairs
        accuracy = 1 - label_error([numbers(spoken(pair.hypothesis), words) for pair in pairs], tested)
        ours = f"accuracy {100 * accuracy:.1f} %, found in whole transcripts"
        peers.append(report.Row(recognizer.bundle.name, "-", ours, 1, (time.process_time() - began) / 60))
    print(f"keywords: {', '.join(words)}; {len(taught)} recordings learnt\n")
    return told(arguments, found, tested, words, hours, peers, claims)


def told(
    arguments: argparse.Namespace,
    found: dict[str, Spotted],
    tested: Sequence[Utterance],
    words: Sequence[str],
    hours: float,
    peers: Sequence[report.Row],
    claims: Sequence[report.Claim],
) -> int:
    """Table, claims and the curve of hits against false alarms."""
    said = np.array([[number in one.said for number in range(1, len(words) + 1)] for one in tested])
    rows, lines = [], []
    for (name, spotted), colour in zip(found.items(), report.COLOURS, strict=False):
        curve = trades(spotted.scores, said, hours)
        at_ten = max((trade.hits for trade in curve if trade.alarms <= 10), default=0.0)
        ours = (
            f"accuracy {100 * statistics.mean(spotted.accuracy):.1f} % of {sum(len(one.said) for one in tested)} keywords in "
            f"{len(tested)} recordings; {100 * at_ten:.0f} % found at 10 false alarms a keyword and hour; "
            f"order right {100 * order_right(spotted.scores, said):.1f} %; {spotted.weights:,} weights"
        )
        paper = "accuracy 84.5 % (2007)" if name == "both ways" else "-"
        rows.append(report.Row(f"{len(words)} keywords, {name}", paper, ours, len(spotted.accuracy), spotted.minutes))
        # Once everything is found, looser thresholds only add alarms.
        shown = curve[: 1 + next(number for number, trade in enumerate(curve) if trade.hits == curve[-1].hits)]
        lines.append(plot.Line(name, tuple((trade.alarms, 100 * trade.hits) for trade in shown), colour))
    panels = [plot.Panel("keywords found, %", tuple(lines), low=0.0, high=100.0)]
    return report.finish(arguments, [*rows, *peers], claims, panels, "false alarms a keyword and hour")


if __name__ == "__main__":
    sys.exit(main())
