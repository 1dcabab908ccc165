"""Text or an ARPA file -> language model for a bundle."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from recog.errors import ConfigError
from recog.lm import arpa, binary
from recog.lm.corpus import Corpus
from recog.lm.ngram import NgramModel
from recog.lm.train import NgramConfig, train_mixture

_ARPA_ENDINGS = (".arpa", ".arpa.gz", ".arpa.xz")


def train_language_model(
    texts: Sequence[str | Path],
    out: str | Path,
    config: NgramConfig,
    line_characters: int = 0,
    weights: Sequence[float] = (),
    tune: str | Path | None = None,
) -> NgramModel:
    """Trains a model on files of text (see `recog.lm.corpus`) by `config` and writes it to `out`.

    The files are one text, unless `weights` (one for each) or `tune` are given: then each gets a model of its own and
    these are mixed, by the weights or as foretells best what `tune` holds (of a manifest, the rows with `part: tune`).
    `out` becomes an ARPA file if its name ends in .arpa, .arpa.gz or .arpa.xz, otherwise the compact binary. Progress,
    what was left out of the text, and the size go to stderr. Returns the model with exact probabilities.
    """
    if not texts:
        raise ConfigError("no text to train a language model on; name at least one file")
    mixing = bool(weights) or tune is not None
    groups = [[path] for path in texts] if mixing else [texts]
    corpora = [Corpus(group, config.text_rule, line_characters) for group in groups]
    held_out = [] if tune is None else [line for line in Corpus([tune], config.text_rule, part="tune") if line]
    model = train_mixture(corpora, config, weights, held_out)
    for reason, count in sum((corpus.left_out for corpus in corpora), Counter[str]()).items():
        print(f"left out: {count} sentences with {reason}", file=sys.stderr)
    save_language_model(model, out)
    return model


def load_language_model(path: str | Path, text_rule: str = "raw") -> NgramModel:
    """The model of an ARPA file, whose text rule must be told, or of a compact binary, which knows its own."""
    return arpa.read(path, text_rule=text_rule) if _is_arpa(path) else binary.load(path)


def save_language_model(model: NgramModel, out: str | Path) -> None:
    """Writes a model in the form that the name of `out` asks for, and says how large it is."""
    if _is_arpa(out):
        arpa.write(model, out)
    else:
        binary.save(model, out)
    sizes = " + ".join(str(size) for size in model.sizes)
    print(f"{out}: {sizes} n-grams, {Path(out).stat().st_size / 1e6:.1f} MB", file=sys.stderr)


def _is_arpa(path: str | Path) -> bool:
    return str(path).endswith(_ARPA_ENDINGS)
