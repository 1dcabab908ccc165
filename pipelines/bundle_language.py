"""Language models and word lists put into a bundle, or taken out; and what a bundle holds of them."""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from recog import checkpoint, language, phones, rescorer, text
from recog.errors import ConfigError
from recog.lm import binary, pronunciation, spoken, wordlist
from recog.lm.ngram import SPECIAL, NgramModel
from recog.lm.spoken import Spoken

# What can be taken out, by the name of its option.
PARTS = {
    "words": language.WORDS,
    "characters": "character model",
    "word-list": language.LEXICON,
    "pronunciations": language.PRONUNCIATIONS,
}
_NAMED = 5


def put_models(
    name_or_path: str | Path,
    words: Path | None,
    characters: Mapping[str, Path] | None = None,
    pronunciations: Path | None = None,
    judge: Path | None = None,
) -> None:
    """Copies language models, a pronouncing lexicon and a rescorer into a bundle, each checked before it takes its place.

    Character models, by the code of their language, take the place of all that the bundle had.
    """
    folder = checkpoint.find(name_or_path)
    if judge is not None:
        alphabet = checkpoint.load(name_or_path).alphabet
        if not rescorer.fits(found := rescorer.load(judge), alphabet):
            raise ConfigError(
                f"{judge} lacks symbols of bundle {name_or_path}: {''.join(sorted(set(alphabet.symbols) - set(found.symbols)))!r}; "
                "train it with --bundle set to this one"
            )
        rescorer.save(found, folder / rescorer.FILE)
    if pronunciations is not None:
        said = pronunciation.read(pronunciations)
        names = dict(zip(phones.CMU, phones.CMU_NAMES, strict=True))
        said = {
            word: tuple(tuple(names[letter] for letter in phones.spelled(way)) for way in ways)
            for word, ways in said.items()
        }
        if not checkpoint.load(name_or_path).network.config.phones:
            raise ConfigError(f"bundle {name_or_path} has no head for phones; train it with network.phones = 39 first")
        spoken.save(folder / language.PRONUNCIATIONS, Spoken.of(said))
    for path in [] if words is None else [words]:
        _checked(path, "word")
        _copy(path, folder / language.WORDS)
    if characters:
        files = {language.character_file(code): path for code, path in characters.items()}
        for path in files.values():
            _checked(path, "character")
        for name, path in files.items():
            _copy(path, folder / name)
        for old in language.character_files(folder).values():
            if old.name not in files:
                old.unlink()


def by_language(given: Sequence[str]) -> dict[str, Path]:
    """["en=a.lm", "fr=b.lm"], or ["a.lm"] for a model of no language in particular -> paths by the code of their language."""
    found: dict[str, Path] = {}
    for one in given:
        code, _, path = one.partition("=") if re.match("[a-z]{2,3}=", one) else ("", "", one)
        if code in found:
            raise ConfigError(f"--characters is given twice for {code or 'no language'}; give each language one model")
        found[code] = Path(path)
    return found


def _checked(path: Path, unit: str) -> None:
    model = binary.load(path)
    if model.unit != unit:
        raise ConfigError(f"{path} is a {model.unit} model; expected a {unit} model here")


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(f"{target.name}.partial")
    shutil.copyfile(source, partial)
    partial.replace(target)


def put_word_list(name_or_path: str | Path, source: Path) -> None:
    """Puts a list of words, one a line, perhaps with a tab and a weight, into a bundle as its lexicon.

    The words go through the bundle's text rule. Those that its alphabet cannot spell are named on stderr and left
    out; a list that holds no other is refused.
    """
    bundle = checkpoint.load(name_or_path)
    read = wordlist.read(source, text.rule(bundle.text_rule))
    found = read.spellable(bundle.alphabet.symbols)
    if found.left_out:
        named = ", ".join(repr(word) for word in found.left_out[:_NAMED])
        print(
            f"left out: {len(found.left_out)} entries of {source} that this recogniser cannot write, such as {named}",
            file=sys.stderr,
        )
    known = bundle.language
    if found.weights is not None and known and (checkpoint.find(name_or_path) / language.WORDS).is_file():
        print(f"{language.WORDS} says how likely words are; the list's weights are kept but not used", file=sys.stderr)
    wordlist.write(checkpoint.find(name_or_path) / language.LEXICON, found)


def change(
    name_or_path: str | Path,
    words: Path | None = None,
    characters: Mapping[str, Path] | None = None,
    word_list: Path | None = None,
    pronunciations: Path | None = None,
    remove: Sequence[str] = (),
) -> bool:
    """Puts parts into a bundle and takes others out; whether anything was changed.

    The confidences of decoding with models were calibrated for what was there before, so they go.
    """
    folder = checkpoint.find(name_or_path)
    given = {"words": words, "characters": characters, "word-list": word_list, "pronunciations": pronunciations}
    for part in remove:
        if given[part]:
            raise ConfigError(
                f"{part} is to be put into the bundle and removed from it; what is put in replaces the old"
            )
        if not _files(folder, part):
            raise ConfigError(f"bundle {name_or_path} holds no {PARTS[part]}; there is nothing to remove")
    put_models(name_or_path, words, characters, pronunciations)
    if word_list is not None:
        put_word_list(name_or_path, word_list)
    for part in remove:
        for path in _files(folder, part):
            path.unlink()
    if not (remove or any(given.values())):
        return False
    known = checkpoint.load(name_or_path).language
    if known is not None and "language" in known.confidences:
        kept = {mode: found for mode, found in known.confidences.items() if mode != "language"}
        language.save_settings(folder, replace(known, confidences=kept))
    return True


def describe(name_or_path: str | Path) -> Iterator[str]:
    """Lines of text: what language a bundle holds, and the weights it is used with."""
    folder = checkpoint.find(name_or_path)
    known = language.load(folder)
    if known is None:
        yield f"{folder}: no language model, no list of words"
        return
    if (folder / language.WORDS).is_file() and known.word_model is not None:
        yield f"{language.WORDS}: {_model(known.word_model)}"
    for code, model in known.character_models.items():
        yield f"{language.character_file(code)}: {_model(model)}"
    if known.word_list is not None:
        weights = known.word_list.weights is not None
        used = weights and not (folder / language.WORDS).is_file()
        yield (
            f"{language.LEXICON}: {len(known.word_list.words)} words, "
            + ("weights used as the word model" if used else "weights not used" if weights else "no weights")
        )
    if known.pronunciations is not None:
        ways = len(known.pronunciations.lengths)
        yield f"{language.PRONUNCIATIONS}: {len(known.pronunciations)} words, {ways} ways of saying them"
    options = known.options
    yield (
        f"{language.DECODER}: beam {options.beam}, alpha {options.alpha:g}, beta {options.beta:g}, gamma {options.gamma:g}, "
        f"unknown {options.unknown:g}, letter {options.letter:g}"
        + ("" if (folder / language.DECODER).is_file() else " (defaults; recog tune finds better ones)")
    )


def _files(folder: Path, part: str) -> list[Path]:
    """The files of a part that the bundle has."""
    if part == "characters":
        return list(language.character_files(folder).values())
    return [path for path in [folder / PARTS[part]] if path.is_file()]


def _model(model: NgramModel) -> str:
    return (
        f"order {model.order}, {len(model.words) - len(SPECIAL)} {model.unit}s, {sum(model.sizes)} n-grams, text rule "
        f"{model.text_rule}"
    )
