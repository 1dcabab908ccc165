"""Text or an ARPA file -> language model for a bundle."""

import sys
from collections.abc import Sequence
from pathlib import Path

from recog.errors import ConfigError
from recog.lm import arpa, binary
from recog.lm.corpus import Corpus
from recog.lm.ngram import NgramModel
from recog.lm.train import NgramConfig, train

_ARPA_ENDINGS = (".arpa", ".arpa.gz", ".arpa.xz")


def train_language_model(
    texts: Sequence[str | Path], out: str | Path, config: NgramConfig, line_characters: int = 0
) -> NgramModel:
    """Trains a model on files of text (see `recog.lm.corpus`) by `config` and writes it to `out`.

    `out` becomes an ARPA file if its name ends in .arpa, .arpa.gz or .arpa.xz, otherwise the compact binary. Progress,
    what was left out of the text, and the size go to stderr. Returns the model with exact probabilities.
    """
    if not texts:
        raise ConfigError("no text to train a language model on; name at least one file")
    corpus = Corpus(texts, config.text_rule, line_characters)
    model = train(corpus, config)
    for reason, count in corpus.left_out.items():
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
