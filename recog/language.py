"""The language side of a bundle: n-gram models and decoder weights, in files of their own beside the network.

    words.lm, characters.lm   compact n-gram models (recog.lm.binary), either or both
    decoder.json              beam and weights, tuned for this network with these models

Each file changes alone: another language model needs no other network.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from recog import config
from recog.ctc.options import DecoderOptions
from recog.errors import CheckpointError, ConfigError
from recog.lm import binary
from recog.lm.ngram import NgramModel

WORDS, CHARACTERS, DECODER = "words.lm", "characters.lm", "decoder.json"


@dataclass(frozen=True)
class Language:
    """What a recogniser knows besides what it sees and hears."""

    word_model: NgramModel | None
    character_model: NgramModel | None
    options: DecoderOptions


def load(folder: Path) -> Language | None:
    """The language side of the bundle in `folder`; None where it has none. Models are mapped, not read."""
    models = {name: binary.load(folder / name) if (folder / name).is_file() else None for name in (WORDS, CHARACTERS)}
    if not any(models.values()) and not (folder / DECODER).is_file():
        return None
    return Language(models[WORDS], models[CHARACTERS], _load_options(folder / DECODER))


def _load_options(path: Path) -> DecoderOptions:
    if not path.is_file():
        return DecoderOptions()
    try:
        return config.build(DecoderOptions, json.loads(path.read_text(encoding="utf-8")), "decoder")
    except (OSError, ValueError, AttributeError, ConfigError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); tune the decoder again or delete the file") from error


def save_options(folder: Path, options: DecoderOptions) -> None:
    """Writes the decoder's settings into a bundle, whole or not at all."""
    partial = folder / f"{DECODER}.partial"
    partial.write_text(json.dumps(asdict(options), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / DECODER)


def save(folder: Path, language: Language) -> None:
    """Writes the language side into a bundle's folder; models it lacks are left as they are."""
    for name, model in ((WORDS, language.word_model), (CHARACTERS, language.character_model)):
        if model is not None:
            binary.save(model, folder / name)
    save_options(folder, language.options)
