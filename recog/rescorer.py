"""A recurrent language model (recog.models.recurrent_lm) that judges whole texts after the beam search.

An n-gram sees a few units back; an LSTM the whole line. It is too slow to be asked at every step of a beam, but not to
score the few texts that the beam proposes. Its units are characters or words. One file, rescorer.safetensors, in a
bundle; its settings and its units are in the file's header.
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from recog.alphabet import Alphabet
from recog.batching import cut
from recog.compact import packed, unpacked
from recog.config import build
from recog.ctc.rescoring import Lines
from recog.errors import CheckpointError, RecogError
from recog.models.recurrent_lm import EDGE, RecurrentLM, RecurrentLMConfig, State

FILE = "rescorer.safetensors"
# A word that the model does not know is read as this unit.
UNKNOWN_WORD = "<unk>"
# A character that the model does not know, and each letter of such a word, in nats.
UNKNOWN, LETTER = -12.0, -2.0
# Read together, padding included: enough to keep the machine busy, and few enough that a vocabulary of logits for each stays
# in memory that is used again: fresh memory costs more than the sums.
BATCH_UNITS = 1000


class Rescorer:
    """How likely texts are."""

    def __init__(self, model: RecurrentLM, symbols: Sequence[str]) -> None:
        self.model, self.symbols = model.eval(), tuple(symbols)
        self._numbers = {symbol: number for number, symbol in enumerate(self.symbols, 1)}

    @property
    def of_words(self) -> bool:
        """Whether its units are words, among them one for all that it does not know; else they are characters."""
        return UNKNOWN_WORD in self._numbers

    def units(self, text: str) -> tuple[list[int], float]:
        """The numbers of a text's units, and what the units cost that the model does not know, in nats."""
        if self.of_words:
            words = text.split()
            letters = sum(len(word) for word in words if word not in self._numbers)
            return [self._numbers.get(word, self._numbers[UNKNOWN_WORD]) for word in words], LETTER * letters
        known = [self._numbers[symbol] for symbol in text if symbol in self._numbers]
        return known, UNKNOWN * (len(text) - len(known))

    @torch.inference_mode()
    def log_probabilities(self, texts: Sequence[str], before: Sequence[Lines] = ()) -> list[float]:
        """Natural log of P(text), its end included. Unknown characters are read over and cost a fixed price each.

        `before` gives for each text the lines that come before it on its page, in order; () for all: each begins anew.
        """
        known = [self.units(text) for text in texts]
        passages = list(dict.fromkeys(before)) if any(before) else []
        numbers = {lines: number for number, lines in enumerate(passages)}
        states = self._after(passages)
        lengths = [len(units) + 1 for units, _ in known]
        order = sorted(range(len(texts)), key=lengths.__getitem__)
        found = [price for _, price in known]
        for batch in cut(order, lengths, BATCH_UNITS):
            read, wanted, counted = padded([known[place][0] for place in batch])
            rows = [numbers[before[place]] for place in batch] if states else []
            state = (states[0][:, rows], states[1][:, rows]) if states else None
            log_probs = (self.model(read, wanted, state).double() * counted).sum(dim=1).tolist()
            for place, log_prob in zip(batch, log_probs, strict=True):
                found[place] += log_prob
        return found

    def _after(self, passages: Sequence[Lines]) -> State | None:
        """The model's state after each passage was read, None where there are none."""
        if not passages:
            return None
        read = [list(itertools.chain(*([EDGE, *self.units(line)[0]] for line in lines))) for lines in passages]
        lengths = torch.tensor([max(1, len(units)) for units in read])
        rows = torch.full((len(read), int(lengths.max())), EDGE)
        for row, units in zip(rows, read, strict=True):
            row[: len(units)] = torch.tensor(units, dtype=torch.long)
        state = self.model.after(rows, lengths)
        begins = torch.tensor([not units for units in read])[None, :, None]
        return state[0].masked_fill(begins, 0.0), state[1].masked_fill(begins, 0.0)


def padded(texts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Texts in numbers -> what is read (B, U), EDGE first; what is to be foretold (B, U), EDGE last; where it counts (B, U)."""
    longest = 1 + max(map(len, texts))
    read, wanted, counted = torch.full((3, len(texts), longest), EDGE)
    for row, text in enumerate(texts):
        numbers = torch.tensor(text, dtype=torch.long)
        read[row, 1 : len(text) + 1], wanted[row, : len(text)], counted[row, : len(text) + 1] = numbers, numbers, 1
    return read, wanted, counted


def fits(rescorer: Rescorer, alphabet: Alphabet) -> bool:
    """Whether it can judge all that a network writes."""
    return rescorer.of_words or set(alphabet.symbols) <= set(rescorer.symbols)


def save(rescorer: Rescorer, path: Path) -> None:
    """Writes the one file, weights in 8 bits, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    header = {"recurrent": json.dumps(asdict(rescorer.model.config)), "symbols": json.dumps(rescorer.symbols)}
    save_file(packed(rescorer.model.state_dict()), partial, metadata=header)
    partial.chmod(0o644)  # safetensors leaves it to the owner alone
    partial.replace(path)


def load(path: Path) -> Rescorer:
    """Reads it; refuses a damaged file in one sentence."""
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            config = build(RecurrentLMConfig, json.loads(header["recurrent"]), "recurrent")
            symbols = json.loads(header["symbols"])
            weights = unpacked({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        if len(symbols) != config.symbols or not all(isinstance(symbol, str) for symbol in symbols):
            raise ValueError(f"{len(symbols)} symbols, but {config.symbols} are foretold")
        model = RecurrentLM(config)
        model.load_state_dict(weights)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, SafetensorError, RecogError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} is damaged ({reason}); fetch or train it again") from error
    return Rescorer(model, symbols)
