"""An LSTM that foretells the next character, against our n-grams and a packer of files, in bits a character.

python scripts/experiments/character_model.py [FILE ...] [--quick] [--rule spoken] [--held-out FILE] [--seeds 1]
    [--hidden 128] [--layers 1] [--epochs 10] [--most 20000] [--json FILE] [--plot FILE.png]

Text compression by prediction (Schmidhuber & Heil 1996; with LSTM: Graves 2013, "Generating sequences"). FILEs are plain
text or manifests. All models know the same lines, foretell the same held-out ones, each line from its beginning to its
end (which is foretold as well), and every line alone. The quick form makes its own text, whose entropy is known:
each line ends as its first letter says, with more letters between than any n-gram remembers.
"""

import argparse
import lzma
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recog import plot
from recog.errors import InputError, RecogError
from recog.lm.corpus import Corpus
from recog.lm.train import NgramConfig, train
from recog.models.cells import family
from recog.models.cells.scan import scan
from recog.tasks import report

ORDERS = (1, 2, 3, 4, 5, 6)
# One line in so many is held out where no file is given for that.
ONE_IN = 10
SYLLABLES = tuple(consonant + vowel for consonant in "klmnst" for vowel in "aiu")
# First letter of a line -> its last.
MATES = {"b": "d", "d": "g", "g": "h", "h": "b"}
BETWEEN = 3


@dataclass(frozen=True)
class Texts:
    """Lines to learn and lines to foretell, all of whose characters were learnt."""

    learnt: list[str]
    held_out: list[str]
    # Held-out lines with a character that was never learnt: nobody is asked to foretell them.
    strange: int = 0

    @property
    def symbols(self) -> list[str]:
        """The characters, sorted."""
        return sorted(set("".join(self.learnt)))

    @property
    def foretold(self) -> int:
        """Characters of the held-out lines; the end of a line is one of them."""
        return sum(len(line) + 1 for line in self.held_out)


def made_up(seed: int, count: int = 1800) -> Texts:
    """Lines of a letter, BETWEEN random syllables, and the first letter's mate."""
    random = np.random.default_rng(seed)
    lines = []
    for _ in range(count + count // ONE_IN):
        first = str(random.choice(list(MATES)))
        lines.append(first + "".join(random.choice(SYLLABLES, BETWEEN)) + MATES[first])
    return Texts(lines[:count], lines[count:])


def made_up_entropy() -> float:
    """Bits a character of `made_up`: a letter of four, then syllables; the last letter and the end hold no news."""
    return (math.log2(len(MATES)) + BETWEEN * math.log2(len(SYLLABLES))) / (1 + 2 * BETWEEN + 1 + 1)


def read(arguments: argparse.Namespace) -> Texts:
    """The lines of the files, at most `--most` to learn; refuses texts that leave nothing to learn or to foretell."""
    lines = [line for line in Corpus(arguments.files, arguments.rule) if line]
    if arguments.held_out:
        held_out = [line for line in Corpus([arguments.held_out], arguments.rule) if line]
    else:
        held_out = lines[::ONE_IN]
        lines = [line for number, line in enumerate(lines) if number % ONE_IN]
    lines = lines[:: max(1, -(-len(lines) // arguments.most))]
    held_out = held_out[:: max(1, -(-len(held_out) * ONE_IN // arguments.most))]
    known = set("".join(lines))
    kept = [line for line in held_out if known.issuperset(line)]
    if not lines or not kept:
        raise InputError(f"{len(lines)} lines to learn and {len(kept)} to foretell; give files with more lines of text")
    return Texts(lines, kept, len(held_out) - len(kept))


def packed_bits(texts: Texts) -> float:
    """Bits a character that xz adds to the packed learnt lines for the held-out ones behind them: Lempel-Ziv's way."""
    learnt, held_out = ("".join(line + "\n" for line in lines).encode() for lines in (texts.learnt, texts.held_out))
    sizes = [len(lzma.compress(content, preset=9)) for content in (learnt, learnt + held_out)]
    return 8 * (sizes[1] - sizes[0]) / texts.foretold


def ngram_scores(texts: Texts, order: int) -> list[NDArray[np.float64]]:
    """Natural log of each held-out character and end of line under our character n-gram of an order."""
    model = train(texts.learnt, NgramConfig(order=order, unit="character"))
    return [model.score(list(line)) for line in texts.held_out]


class CharacterModel(nn.Module):
    """Letters -> embeddings -> layers of a cell, ahead only -> the next letter. Number 0 begins and ends a line."""

    def __init__(self, symbols: Sequence[str], cell: str, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.numbers = {symbol: number for number, symbol in enumerate(symbols, 1)}
        self.embed = nn.Embedding(len(symbols) + 1, min(hidden, 64))
        widths = [self.embed.embedding_dim, *(hidden for _ in range(layers - 1))]
        self.cells = nn.ModuleList(family[cell](width, hidden) for width in widths)
        self.dropout, self.output = nn.Dropout(dropout), nn.Linear(hidden, len(symbols) + 1)

    def encode(self, lines: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Lines -> what is read (B, T), what is to be foretold (B, T), -1 past an end, and lengths (B,)."""
        lengths = torch.tensor([len(line) + 1 for line in lines])
        read, wanted = torch.zeros(2, len(lines), int(lengths.max()), dtype=torch.long)
        wanted -= 1
        for row, line in enumerate(lines):
            numbers = torch.tensor([self.numbers[letter] for letter in line], dtype=torch.long)
            read[row, 1 : len(line) + 1], wanted[row, : len(line)], wanted[row, len(line)] = numbers, numbers, 0
        return read, wanted, lengths

    def forward(self, read: Tensor, lengths: Tensor) -> Tensor:
        """(B, T) numbers -> (B, T, S + 1) natural-log probabilities of what comes next."""
        x = self.embed(read)
        for cell in self.cells:
            x = self.dropout(scan(cell, x, lengths)[0])
        return torch.log_softmax(self.output(x), dim=2)

    @torch.no_grad()
    def scores(self, lines: Sequence[str]) -> list[NDArray[np.float64]]:
        """Natural log of each character and end of line, the lines in their order."""
        self.eval()
        found: dict[int, NDArray[np.float64]] = {}
        for batch in batches(lines, 200):
            read, wanted, lengths = self.encode([lines[index] for index in batch])
            picked = self(read, lengths).gather(2, wanted.clamp(min=0)[:, :, None])[:, :, 0].double().numpy()
            found |= {index: picked[row, : lengths[row]] for row, index in enumerate(batch)}
        self.train()
        return [found[index] for index in range(len(lines))]


def batches(lines: Sequence[str], size: int) -> Iterator[list[int]]:
    """Line numbers in batches of similar length."""
    order = sorted(range(len(lines)), key=lambda index: len(lines[index]))
    return (order[first : first + size] for first in range(0, len(order), size))


def bits(scores: Sequence[NDArray[np.float64]]) -> float:
    """Natural logs -> bits a character."""
    every = np.concatenate(scores)
    return float(-every.sum() / len(every) / math.log(2))


def learn(model: CharacterModel, texts: Texts, epochs: int, rate: float, seed: int) -> list[tuple[float, float]]:
    """Teaches by Adam with a rate that falls as a cosine; characters read so far and bits a held-out character, each epoch."""
    random = np.random.default_rng(seed)
    optimiser = torch.optim.Adam(model.parameters(), rate)
    cut = list(batches(texts.learnt, 32))
    steps, seen, curve = epochs * len(cut), 0, []
    for epoch in range(epochs):
        for place, number in enumerate(random.permutation(len(cut)).tolist()):
            done = (epoch * len(cut) + place) / steps
            optimiser.param_groups[0]["lr"] = rate * max(0.02, 0.5 + 0.5 * math.cos(math.pi * done))
            read, wanted, lengths = model.encode([texts.learnt[index] for index in cut[number]])
            loss = functional.nll_loss(model(read, lengths).flatten(0, 1), wanted.flatten(), ignore_index=-1)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            seen += int(lengths.sum())
        curve.append((float(seen), bits(model.scores(texts.held_out))))
    return curve


def half_and_half(one: Sequence[NDArray[np.float64]], other: Sequence[NDArray[np.float64]]) -> float:
    """Bits a character of the mean of two models' probabilities."""
    return bits([np.logaddexp(a, b) - math.log(2) for a, b in zip(one, other, strict=True)])


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims; 1 where a quick claim fails or the text cannot be used."""
    options = report.parser(__doc__, seeds=1)
    options.add_argument("files", nargs="*", type=Path, help="text (.txt .gz .xz) or manifests (.jsonl) to learn")
    options.add_argument("--held-out", type=Path, help=f"what to foretell (default: every {ONE_IN}th line)")
    options.add_argument("--rule", default="spoken", help="text rule of the lines (default spoken)")
    options.add_argument("--most", type=int, default=20_000, help="lines to learn, evenly spaced (default 20000)")
    options.add_argument("--cell", default="lstm", choices=list(family), help="cell of the network (default lstm)")
    options.add_argument("--hidden", type=int, default=128, help="cells of a layer (default 128)")
    options.add_argument("--layers", type=int, default=1, help="layers (default 1)")
    options.add_argument("--dropout", type=float, default=0.0, help="after each layer, 0 to 1 (default 0)")
    options.add_argument("--epochs", type=int, default=10, help="passes over the lines (default 10)")
    options.add_argument("--rate", type=float, default=5e-3, help="highest learning rate (default 0.005)")
    arguments = options.parse_args(argv)
    if not arguments.quick and not arguments.files:
        options.error("name files to learn, or --quick")
    try:
        return compare(arguments)
    except RecogError as error:
        print(f"character_model: {error}", file=sys.stderr)
        return 1


def compare(arguments: argparse.Namespace) -> int:
    """All models on one text."""
    texts = made_up(1) if arguments.quick else read(arguments)
    hidden, epochs = (32, 5) if arguments.quick else (arguments.hidden, arguments.epochs)
    print(
        f"{len(texts.learnt)} lines learnt ({sum(map(len, texts.learnt)):,} characters of {len(texts.symbols)} kinds), "
        f"{len(texts.held_out)} foretold ({texts.foretold:,} characters), {texts.strange} left out for a strange one\n"
    )
    rows = [report.Row("xz -9", "gzip loses to a network (1996)", f"{packed_bits(texts):.3f} bits a character", 1, 0.0)]
    grams: dict[int, list[NDArray[np.float64]]] = {}
    for order in ORDERS:
        began = time.monotonic()
        grams[order] = ngram_scores(texts, order)
        ours = f"{bits(grams[order]):.3f} bits a character"
        rows.append(report.Row(f"{order}-gram, Kneser-Ney", "-", ours, 1, (time.monotonic() - began) / 60))
    best_order = min(ORDERS, key=lambda order: bits(grams[order]))
    began, curves, ends, mixed = time.monotonic(), [], [], []
    for seed in range(1 if arguments.quick else arguments.seeds):
        torch.manual_seed(seed)
        model = CharacterModel(texts.symbols, arguments.cell, hidden, arguments.layers, arguments.dropout)
        curves.append(learn(model, texts, epochs, 0.01 if arguments.quick else arguments.rate, seed))
        ends.append(bits(scores := model.scores(texts.held_out)))
        mixed.append(half_and_half(scores, grams[best_order]))
    minutes, weights = (time.monotonic() - began) / 60, sum(one.numel() for one in model.parameters())
    name = f"{arguments.cell}, {arguments.layers} x {hidden}, {weights:,} weights, {epochs} epochs"
    known = "1.32 (1 x 1000, Penn Treebank, Graves 2013)"
    rows.append(report.Row(name, known, f"{spread(ends)} bits a character", len(ends), minutes))
    rows.append(
        report.Row(f"half of it, half {best_order}-gram", "-", f"{spread(mixed)} bits a character", len(ends), 0.0)
    )
    claims = [
        report.Claim(
            f"the network foretells better than every n-gram up to {ORDERS[-1]}",
            float(np.mean(ends)) < bits(grams[best_order]),
        )
    ]
    if arguments.quick:
        entropy = made_up_entropy()
        rows.append(report.Row("what cannot be foretold (entropy)", "-", f"{entropy:.3f} bits a character", 1, 0.0))
        claims.append(
            report.Claim(
                "it comes within 3 % of the entropy: it remembers a line's first letter", ends[0] < 1.03 * entropy
            )
        )
    lines = [plot.Line(arguments.cell, tuple(curve), report.COLOURS[0], marked=True) for curve in curves[:1]]
    furthest = curves[0][-1][0]
    for order, colour in zip(sorted({3, best_order}), report.COLOURS[1:], strict=False):
        level = bits(grams[order])
        lines.append(plot.Line(f"{order}-gram", ((0.0, level), (furthest, level)), colour))
    panels = [plot.Panel("bits a held-out character", tuple(lines))]
    return report.finish(arguments, rows, claims, panels, "characters read")


def spread(values: Sequence[float]) -> str:
    """'1.852' or '1.852 (1.850 to 1.860)': the mean, and the range of several seeds."""
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    sys.exit(main())
