"""Training against the textbook: counts, smoothing and pruning spelled out over dictionaries."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.errors import ConfigError, LanguageModelError
from recog.lm.counts import count, encode
from recog.lm.lookup import ROOT, advance
from recog.lm.mixing import best_weights
from recog.lm.ngram import NgramModel
from recog.lm.pruning import losses, prune
from recog.lm.smoothing import discounts, smooth
from recog.lm.train import NgramConfig, train, train_mixture

Gram = tuple[str, ...]


def babble(sentences: int, seed: int, words: int = 30) -> list[str]:
    """Sentences of a made-up tongue in which some words like to follow others."""
    generator = np.random.default_rng(seed)
    likes = generator.integers(0, words, (words, 3))
    text = []
    for _ in range(sentences):
        word, sentence = int(generator.zipf(1.5)) % words, []
        for _ in range(int(generator.integers(1, 12))):
            sentence.append(f"w{word}")
            word = int(generator.choice(likes[word])) if generator.random() < 0.7 else int(generator.zipf(1.4)) % words
        text.append(" ".join(sentence))
    return text


class Textbook:
    """Interpolated modified Kneser-Ney after Chen and Goodman 1999, equations 23 to 26, slowly."""

    def __init__(self, sentences: list[str], order: int) -> None:
        self.order = order
        raw: Counter[Gram] = Counter()
        for sentence in sentences:
            padded = ("<s>", *sentence.split(), "</s>")
            raw.update(padded[i : i + n] for n in range(1, order + 1) for i in range(len(padded) - n + 1))
        self.words = sorted({gram[0] for gram in raw if len(gram) == 1} - {"<s>"} | {"<unk>"})
        before: defaultdict[Gram, set[str]] = defaultdict(set)
        for gram in raw:
            before[gram[1:]].add(gram[0])
        self.counts = {
            gram: times if len(gram) == order or gram[0] == "<s>" else len(before[gram])
            for gram, times in raw.items()
            if gram != ("<s>",)
        }
        self.after: defaultdict[Gram, dict[str, int]] = defaultdict(dict)
        for gram, times in self.counts.items():
            self.after[gram[:-1]][gram[-1]] = times
        self.discounts = {n: self._discounts(n) for n in range(1, order + 1)}

    def _discounts(self, length: int) -> list[float]:
        of = Counter(times for gram, times in self.counts.items() if len(gram) == length)
        if all(of[times] for times in (1, 2, 3, 4)):
            share = of[1] / (of[1] + 2 * of[2])
            taken = [0.0, *(times - (times + 1) * share * of[times + 1] / of[times] for times in (1, 2, 3))]
            if all(0 < off < times for times, off in enumerate(taken) if times):
                return taken
        return [0.0, 0.5, 1.0, 1.5]

    def probability(self, history: Gram, word: str) -> float:
        history = history[max(0, len(history) - self.order + 1) :]
        lower = self.probability(history[1:], word) if history else 1 / len(self.words)
        seen = self.after.get(history)
        if not seen:
            return lower
        taken = self.discounts[len(history) + 1]
        total = sum(seen.values())
        own = max(0.0, seen.get(word, 0) - taken[min(3, seen.get(word, 0))]) / total
        return own + sum(taken[min(3, times)] for times in seen.values()) / total * lower


def probability(model: NgramModel, history: Gram, word: str) -> float:
    state = model.begin if history[:1] == ("<s>",) else ROOT
    for before in history[history[:1] == ("<s>",) :]:
        _, state = advance(model.tables, state, model.id(before))
    return math.exp(advance(model.tables, state, model.id(word))[0])


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
def test_probabilities_are_the_textbook_s(order: int) -> None:
    text = babble(120, seed=order)
    model = train(text, NgramConfig(order))
    book = Textbook(text, order)
    heard = [("<s>", *sentence.split(), "</s>") for sentence in [*text[:8], *babble(8, seed=99)]]
    for sentence in heard:
        for place in range(1, len(sentence)):
            word = sentence[place] if sentence[place] in book.words else "<unk>"
            expected = book.probability(sentence[:place], word)
            assert probability(model, sentence[:place], sentence[place]) == pytest.approx(expected, rel=1e-5)


def test_perplexity_of_held_out_text_is_the_textbook_s() -> None:
    text = babble(440, seed=1)
    text, held_out = text[:400], text[400:]
    model, book = train(text, NgramConfig(3)), Textbook(text, 3)
    logs = [
        math.log(book.probability(sentence[:place], sentence[place]))
        for sentence in (("<s>", *line.split(), "</s>") for line in held_out)
        for place in range(1, len(sentence))
    ]
    measured = model.perplexity(held_out)
    assert measured.unknown == 0
    assert measured.value == pytest.approx(math.exp(-sum(logs) / len(logs)), rel=1e-5)


def sums_to_one(model: NgramModel, histories: list[Gram]) -> None:
    words = [word for word in model.words if word != "<s>"]
    for history in histories:
        assert sum(probability(model, history, word) for word in words) == pytest.approx(1, abs=1e-4)


@settings(deadline=None, max_examples=12)
@given(
    st.integers(0, 1000),
    st.integers(1, 5),
    st.sampled_from([{}, {"cutoffs": (0, 1)}, {"prune": 1e-3}, {"most": 150}, {"vocabulary_size": 9}, {"rare": 4}]),
)
def test_every_context_s_probabilities_sum_to_one(seed: int, order: int, smaller: dict[str, object]) -> None:
    text = babble(60, seed)
    model = train(text, NgramConfig(order, **smaller))  # type: ignore[arg-type]
    sentences = [("<s>", *sentence.split()) for sentence in [*text[:2], *babble(1, seed + 1)]]
    sums_to_one(model, [(), *(sentence[:place] for sentence in sentences for place in range(1, len(sentence)))])


def test_counts_by_hand() -> None:
    # <s> a b </s> <s> b </s>: ids <unk> 0, <s> 1, </s> 2, b 3 (twice), a 4.
    encoded = encode([["a b", "", "b"]], "word")
    assert encoded.words == ("<unk>", "<s>", "</s>", "b", "a")
    ones, twos, threes = count(encoded.texts[0], 5, 3)
    assert ones.counts.tolist() == [0, 2, 2, 2, 1]
    pairs = [
        (encoded.words[parent], encoded.words[word]) for parent, word in zip(twos.parents, twos.words, strict=True)
    ]
    assert pairs == [("<s>", "b"), ("<s>", "a"), ("b", "</s>"), ("a", "b")]
    assert twos.counts.tolist() == [1, 1, 2, 1]
    triples = [(*pairs[parent], encoded.words[word]) for parent, word in zip(threes.parents, threes.words, strict=True)]
    assert triples == [("<s>", "b", "</s>"), ("<s>", "a", "b"), ("a", "b", "</s>")]
    assert [pairs[suffix] for suffix in threes.suffixes] == [("b", "</s>"), ("a", "b"), ("b", "</s>")]


def test_counting_in_pieces_is_counting_at_once() -> None:
    encoded = encode([babble(100, seed=1)], "word")
    at_once = count(encoded.texts[0], len(encoded.words), 5)
    for chunk in (1, 7, 64):
        for piece, level in zip(count(encoded.texts[0], len(encoded.words), 5, chunk=chunk), at_once, strict=True):
            for name, array in vars(level).items():
                np.testing.assert_array_equal(getattr(piece, name), array)


def test_a_vocabulary_limit_makes_the_rest_unknown_words_that_are_learned() -> None:
    encoded = encode([["a a b c", "a b d", "<s> a"]], "word", vocabulary_size=2)
    assert encoded.words == ("<unk>", "<s>", "</s>", "a", "b")
    assert encoded.texts[0].tolist() == [1, 3, 3, 4, 0, 2, 1, 3, 4, 0, 2, 1, 0, 3, 2]
    assert encode([["a a b c"]], "word", rare=2).words == ("<unk>", "<s>", "</s>", "a")
    # A quarter of the words is unknown, so the model foretells them often.
    model = train(["a a b c", "a b d"] * 20, NgramConfig(2, vocabulary_size=2))
    assert probability(model, ("b",), "zebra") == pytest.approx(1, abs=0.05)


def test_discounts_by_hand() -> None:
    # n1 = 4, n2 = 3, n3 = 2, n4 = 2: Y = 4/10; D1 = 1 - 2 Y 3/4 = 0.4; D2 = 2 - 3 Y 2/3 = 1.2; D3 = 3 - 4 Y 2/2 = 1.4.
    counts = np.repeat([1, 2, 3, 4, 9], [4, 3, 2, 2, 5])
    np.testing.assert_allclose(discounts(counts), [0, 0.4, 1.2, 1.4])
    # No n-gram occurs twice: the formula has nothing to go by.
    np.testing.assert_allclose(discounts(np.array([1, 1, 3, 4])), [0, 0.5, 1, 1.5])


def test_what_an_n_gram_s_loss_is_by_summing_over_all_words() -> None:
    """Stolcke's equation 4 against the definition: sum over w of p(h, w) (log p(w|h) - log p'(w|h))."""
    text = babble(80, seed=5, words=8)
    encoded = encode([text], "word")
    counted = count(encoded.texts[0], len(encoded.words), 3)
    levels = list(smooth(counted))
    lost = losses(levels)
    model = train(text, NgramConfig(3))
    total = len(encoded.texts[0])
    words = [word for word in encoded.words if word != "<s>"]
    pairs = list(zip(levels[1].parents, levels[1].words, strict=True))
    for place in range(0, len(lost[1]), 7):
        parent, dropped = levels[2].parents[place], encoded.words[levels[2].words[place]]
        history = tuple(encoded.words[word] for word in pairs[parent])
        seen = {encoded.words[word] for word in levels[2].words[levels[2].parents == parent]} - {dropped}
        before = {word: probability(model, history, word) for word in words}
        lower = {word: probability(model, history[1:], word) for word in words}
        weight = (1 - sum(before[word] for word in seen)) / (1 - sum(lower[word] for word in seen))
        after = {word: before[word] if word in seen else weight * lower[word] for word in words}
        loss = sum(before[word] * math.log(before[word] / after[word]) for word in words)
        loss *= counted[1].counts[parent] / total
        assert lost[1][place] == pytest.approx(loss, rel=1e-3, abs=1e-8)


def test_pruning_keeps_what_stays_whole_and_drops_the_cheapest() -> None:
    text = babble(300, seed=7)
    encoded = encode([text], "word")
    levels = list(smooth(count(encoded.texts[0], len(encoded.words), 3)))
    smaller = prune(levels, 1e-3)
    assert [len(level.words) for level in smaller] != [len(level.words) for level in levels]
    assert len(smaller[0].words) == len(levels[0].words)
    limited = prune(levels, 0.0, most=200)
    assert 150 < sum(len(level.words) for level in limited) <= 200
    # Nothing to drop: nothing changes.
    for same, level in zip(prune(levels, 0.0), levels, strict=True):
        np.testing.assert_allclose(same.weights, level.weights, rtol=1e-9)
        np.testing.assert_array_equal(same.parents, level.parents)
    text, held_out = text[:240], text[240:]
    ladder = [train(text, NgramConfig(3, most=most)).perplexity(held_out).value for most in (60, 200, 600)]
    assert ladder[0] > ladder[1] > ladder[2]


def test_cutoffs_drop_n_grams_and_the_model_keeps_its_suffixes() -> None:
    text = babble(100, seed=3)
    model = train(text, NgramConfig(4, cutoffs=(0, 1, 2)))
    seen: Counter[Gram] = Counter()
    for line in text:
        padded = ("<s>", *line.split(), "</s>")
        seen.update(padded[i : i + n] for n in range(1, 5) for i in range(len(padded) - n + 1))
    kept = [sum(len(gram) == n and times > cut for gram, times in seen.items()) for n, cut in ((2, 0), (3, 1), (4, 2))]
    assert model.sizes[1:] == tuple(kept)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_a_mixture_is_the_mean_of_what_its_models_say_of_listed_n_grams(order: int) -> None:
    """Its two texts are the models; the mean is taken of single models trained over the same vocabulary."""
    texts, weights = [babble(100, seed=1, words=12), babble(30, seed=2, words=12)], (0.3, 0.7)
    mixed = train_mixture(texts, NgramConfig(order), weights)
    # A text's model over the vocabulary of both: the other text has no weight.
    alone = [train_mixture(texts, NgramConfig(order), only) for only in ((1.0, 0.0), (0.0, 1.0))]
    seen = {
        padded[at : at + n]
        for text in texts
        for padded in (("<s>", *line.split(), "</s>") for line in text)
        for n in range(1, order + 1)
        for at in range(len(padded) - n + 1)
    }
    assert sum(mixed.sizes) == len(seen) + 1
    for gram in sorted(seen)[::5]:
        if gram[-1] != "<s>":
            expected = sum(
                weight * probability(model, gram[:-1], gram[-1]) for weight, model in zip(weights, alone, strict=True)
            )
            assert probability(mixed, gram[:-1], gram[-1]) == pytest.approx(expected, rel=1e-5)
    sums_to_one(mixed, [(), *{gram[:-1] for gram in sorted(seen)[::25]}])


def test_a_text_without_weight_changes_nothing_but_the_vocabulary() -> None:
    text = babble(100, seed=1)
    alone, mixed = train(text, NgramConfig(3)), train_mixture([text, text], NgramConfig(3), (1.0, 0.0))
    for line in babble(10, seed=4):
        np.testing.assert_allclose(mixed.score(line.split()), alone.score(line.split()), rtol=1e-5)


def test_the_best_weights_by_hand_and_by_trying() -> None:
    # Two words: 0.5 and 0.1 by one model, 0.1 and 0.5 by the other: equal weights. A model that is always better: all.
    np.testing.assert_allclose(best_weights(np.log([[0.5, 0.1], [0.1, 0.5]])), [0.5, 0.5], atol=1e-3)
    assert best_weights(np.log([[0.5, 0.4], [0.1, 0.2]]))[0] > 0.98
    text, other = babble(300, seed=1), babble(300, seed=2)
    held_out = [*text[200:240], *other[200:210]]
    texts = [text[:200], other[:200]]

    def value(weight: float) -> float:
        return train_mixture(texts, NgramConfig(2), (weight, 1 - weight)).perplexity(held_out).value

    found = train_mixture(texts, NgramConfig(2), held_out=held_out).perplexity(held_out).value
    assert found <= min(value(weight) for weight in (0.0, 0.2, 0.5, 0.9, 1.0)) * 1.005


def test_characters_are_words_of_one_letter_and_the_space_is_one() -> None:
    text = ["ab ab", "ba"]
    characters = train(text, NgramConfig(3, "character"))
    words = train([" ".join(line.replace(" ", "_")) for line in text], NgramConfig(3))
    assert set(characters.words) == {*characters.words[:3], "a", "b", " "}
    np.testing.assert_allclose(characters.score(list("ab a")), words.score(list("ab_a")))
    assert characters.perplexity(["a b"]).words == 3


def test_texts_and_settings_that_make_no_model_are_refused() -> None:
    with pytest.raises(LanguageModelError, match="holds no sentence"):
        train(["", ""], NgramConfig(2))
    for weights in ((), (1.0,), (0.5, 0.6), (-1.0, 2.0)):
        with pytest.raises(ConfigError, match="weights"):
            train_mixture([["a"], ["b"]], NgramConfig(2), weights)
    for wrong in ({"order": 7}, {"unit": "phone"}, {"cutoffs": (1, 0)}, {"rare": 0}, {"prune": 1.0}):
        with pytest.raises(ConfigError, match="language model"):
            NgramConfig(**wrong)  # type: ignore[arg-type]


def test_one_word_is_enough() -> None:
    model = train(["a"], NgramConfig(5))
    assert model.sizes == (4, 2, 1, 0, 0)
    sums_to_one(model, [(), ("<s>",), ("<s>", "a")])
