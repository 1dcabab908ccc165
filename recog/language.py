"""The language side of a bundle: n-gram models and decoder weights, in files of their own beside the network.

    words.lm, characters.lm   compact n-gram models (recog.lm.binary), either or both
    characters.en.lm, ...     character models of one language each, instead of characters.lm: a text is read by the one
                              that suits it (recog.ctc.multilingual)
    lexicon.txt               words that are known (recog.lm.wordlist), instead of the word model's vocabulary; with
                              weights and no words.lm, these are the word model
    pronunciations.npz        how words are said (recog.lm.spoken), for a network with a head for phones
    rescorer.safetensors      a recurrent model that judges what the beam proposes (recog.rescorer)
    decoder.json              beam and weights, tuned for this network with these models; how its confidences are
                              calibrated ("confidences") and its words placed ("timing"), where that was tuned too

Each file changes alone: another language model needs no other network.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from recog import config, phones, rescorer
from recog.ctc.calibration import MODES, Calibration
from recog.ctc.options import DecoderOptions
from recog.ctc.timing import Timing
from recog.errors import CheckpointError, ConfigError
from recog.lm import binary, spoken, wordlist
from recog.lm.lexicon import Lexicon
from recog.lm.ngram import NgramModel
from recog.lm.spoken import Spoken
from recog.lm.wordlist import WordList
from recog.rescorer import Rescorer

WORDS, CHARACTERS, LEXICON, DECODER = "words.lm", "characters.lm", "lexicon.txt", "decoder.json"
PRONUNCIATIONS = "pronunciations.npz"


@dataclass(frozen=True)
class Language:
    """What a recogniser knows besides what it sees and hears."""

    word_model: NgramModel | None
    # Character models by the code of their language, "" for one of no language in particular; a text is read by one of them.
    character_models: Mapping[str, NgramModel]
    options: DecoderOptions
    # For each way of decoding (recog.ctc.calibration.MODES) that was tuned: what its confidences are worth.
    confidences: Mapping[str, Calibration] = field(default_factory=dict)
    # None: words are placed by the defaults of recog.ctc.timing.
    timing: Timing | None = None
    # The words that are known; None: the word model's vocabulary.
    word_list: WordList | None = None
    # How words are said, in phones as recog.phones.CMU_NAMES has them; None: letters alone decide.
    pronunciations: Spoken | None = None
    # Judges the texts that a beam proposes, with the weight `options.recurrent`.
    rescorer: Rescorer | None = None

    @cached_property
    def spoken(self) -> Lexicon | None:
        """The words that have pronunciations, spelled in phones: label k + 1 is recog.phones.CMU_NAMES[k]."""
        if self.pronunciations is None:
            return None
        return Lexicon.of_pronunciations(self.pronunciations, phones.CMU_NAMES)

    def lexicon(self, symbols: Sequence[str]) -> Lexicon | None:
        """What a decoder over these symbols is to take as lexicon; None leaves it the word model's vocabulary."""
        return None if self.word_list is None else self.word_list.lexicon(symbols)

    @property
    def speaks(self) -> bool:
        """Whether a model or a list of words has a say in what is read."""
        return any(
            part is not None for part in (self.word_model, self.word_list, self.pronunciations, self.rescorer)
        ) or bool(self.character_models)


def load(folder: Path) -> Language | None:
    """The language side of the bundle in `folder`; None where it has none. Models are mapped, not read."""
    words = binary.load(folder / WORDS) if (folder / WORDS).is_file() else None
    characters = {language: binary.load(path) for language, path in character_files(folder).items()}
    word_list = wordlist.read(folder / LEXICON) if (folder / LEXICON).is_file() else None
    said = spoken.load(folder / PRONUNCIATIONS) if (folder / PRONUNCIATIONS).is_file() else None
    judge = rescorer.load(folder / rescorer.FILE) if (folder / rescorer.FILE).is_file() else None
    if not any((words, characters, word_list, said, judge)) and not (folder / DECODER).is_file():
        return None
    if words is None and word_list is not None:
        words = word_list.model
    try:
        settings = _read(folder / DECODER)
        calibrations = settings.pop("confidences", {})
        confidences = {
            mode: config.build(Calibration, calibrations.pop(mode), mode) for mode in MODES if mode in calibrations
        }
        if calibrations:
            raise ConfigError(f"confidences of unknown ways of decoding: {', '.join(calibrations)}")
        timing = config.build(Timing, settings.pop("timing"), "timing") if "timing" in settings else None
        options = config.build(DecoderOptions, settings, "decoder")
    except (OSError, ValueError, AttributeError, TypeError, ConfigError) as error:
        raise CheckpointError(
            f"{folder / DECODER} is damaged ({error}); tune the decoder again or delete the file"
        ) from error
    return Language(words, characters, options, confidences, timing, word_list, said, judge)


def character_files(folder: Path) -> dict[str, Path]:
    """The character models in a folder by the code of their language, in its order."""
    stem, ending = CHARACTERS.split(".")
    found = {path.name[len(stem) + 1 : -len(ending) - 1]: path for path in folder.glob(f"{stem}.*.{ending}")}
    one = {"": folder / CHARACTERS} if (folder / CHARACTERS).is_file() else {}
    return one | dict(sorted(found.items()))


def character_file(language: str) -> str:
    """The name of the file that holds the character model of a language; "" for one of no language in particular.

    Refuses what is no code of two or three small letters.
    """
    if language and not re.fullmatch("[a-z]{2,3}", language):
        raise ConfigError(f"{language!r} is no code of a language; give two or three small letters, such as en")
    stem, ending = CHARACTERS.split(".")
    return f"{stem}.{language}.{ending}" if language else CHARACTERS


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    settings = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(settings, dict):
        raise ConfigError(f"it holds a {type(settings).__name__}, not an object")
    return settings


def save_settings(folder: Path, language: Language) -> None:
    """Writes what decoder.json holds into a bundle, whole or not at all."""
    settings = asdict(language.options)
    if language.confidences:
        settings["confidences"] = {mode: asdict(found) for mode, found in language.confidences.items()}
    if language.timing is not None:
        settings["timing"] = asdict(language.timing)
    partial = folder / f"{DECODER}.partial"
    partial.write_text(json.dumps(settings, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / DECODER)


def save(folder: Path, language: Language) -> None:
    """Writes the language side into a bundle's folder; models it lacks are left as they are."""
    characters = {character_file(code): model for code, model in language.character_models.items()}
    for name, model in {WORDS: language.word_model, **characters}.items():
        # The model that a list's weights make is in the list.
        if model is not None and (language.word_list is None or model is not language.word_list.model):
            binary.save(model, folder / name)
    if language.word_list is not None:
        wordlist.write(folder / LEXICON, language.word_list)
    if language.pronunciations is not None:
        spoken.save(folder / PRONUNCIATIONS, language.pronunciations)
    if language.rescorer is not None:
        rescorer.save(language.rescorer, folder / rescorer.FILE)
    save_settings(folder, language)
