"""Language models and word lists put into a bundle, or taken out, without tuning; and what a bundle holds of them."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.tuning import put_models
from recog import checkpoint, language, text
from recog.errors import ConfigError
from recog.lm import wordlist
from recog.lm.ngram import SPECIAL, NgramModel

# What can be taken out, by the name of its option.
PARTS = {
    "words": language.WORDS,
    "characters": language.CHARACTERS,
    "word-list": language.LEXICON,
    "pronunciations": language.PRONUNCIATIONS,
}
_NAMED = 5


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
    characters: Path | None = None,
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
        if given[part] is not None:
            raise ConfigError(
                f"{part} is to be put into the bundle and removed from it; what is put in replaces the old"
            )
        if not (folder / PARTS[part]).is_file():
            raise ConfigError(f"bundle {name_or_path} holds no {PARTS[part]}; there is nothing to remove")
    put_models(name_or_path, words, characters, pronunciations)
    if word_list is not None:
        put_word_list(name_or_path, word_list)
    for part in remove:
        (folder / PARTS[part]).unlink()
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
    for name, model in ((language.WORDS, known.word_model), (language.CHARACTERS, known.character_model)):
        if (folder / name).is_file() and model is not None:
            yield f"{name}: {_model(model)}"
    if known.word_list is not None:
        weights = known.word_list.weights is not None
        used = weights and not (folder / language.WORDS).is_file()
        yield (
            f"{language.LEXICON}: {len(known.word_list.words)} words, "
            + ("weights used as the word model" if used else "weights not used" if weights else "no weights")
        )
    if known.pronunciations is not None:
        ways = sum(map(len, known.pronunciations.values()))
        yield f"{language.PRONUNCIATIONS}: {len(known.pronunciations)} words, {ways} ways of saying them"
    options = known.options
    yield (
        f"{language.DECODER}: beam {options.beam}, alpha {options.alpha:g}, beta {options.beta:g}, gamma {options.gamma:g}, "
        f"unknown {options.unknown:g}, letter {options.letter:g}"
        + ("" if (folder / language.DECODER).is_file() else " (defaults; recog tune finds better ones)")
    )


def _model(model: NgramModel) -> str:
    return (
        f"order {model.order}, {len(model.words) - len(SPECIAL)} {model.unit}s, {sum(model.sizes)} n-grams, text rule "
        f"{model.text_rule}"
    )
