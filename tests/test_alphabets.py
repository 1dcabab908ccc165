"""What becomes of a bundle's alphabet when it is trained on other data."""

import pytest
import torch
from conftest import TINY_SPEECH, random_bundle

from recog.alphabet import Alphabet
from recog.errors import AlphabetError, ConfigError
from recog.training.alphabets import adapt

# Holds 'e' four times and 'f' once, which " abcd" lacks, and no 'd'.
TEXTS = ("abe", "cab e", "fee")


def test_unknown_symbols_are_refused_with_their_counts() -> None:
    bundle = random_bundle(TINY_SPEECH, " abcd", "spoken")
    with pytest.raises(AlphabetError) as caught:
        adapt(bundle, TEXTS, "fail")
    assert "2 symbols that bundle random-audio cannot write: U+0065 'e' 4 times, U+0066 'f' 1 times;" in str(
        caught.value
    )
    assert adapt(bundle, ["abba", "d"], "fail") is bundle
    with pytest.raises(AlphabetError, match="1 symbols"):
        adapt(bundle, TEXTS, "fail", rare=2)


@pytest.mark.parametrize(
    ("policy", "rare", "symbols"),
    [
        ("union", 1, "db ac" + "ef"),  # old ones keep their numbers
        ("union", 2, "db ac" + "e"),
        ("union", 9, "db ac"),
        ("new", 1, " abcef"),
        ("new", 3, "abe"),
    ],
)
def test_shared_symbols_keep_their_weights(policy: str, rare: int, symbols: str) -> None:
    bundle = random_bundle(TINY_SPEECH, "db ac", "spoken")
    texts = (*TEXTS, "a b")
    adapted = adapt(bundle, texts, policy, rare)
    assert adapted.alphabet == Alphabet(tuple(symbols))
    assert (adapted.name, adapted.frontend, adapted.text_rule) == (bundle.name, bundle.frontend, bundle.text_rule)
    heads = [(bundle.network.output, adapted.network.output)]
    heads += [(bundle.network.auxiliary[name], adapted.network.auxiliary[name]) for name in bundle.network.auxiliary]
    assert len(heads) == 2
    for old, new in heads:
        assert len(new.bias) == len(symbols) + 1
        assert torch.equal(new.weight[0], old.weight[0]) and new.bias[0] == old.bias[0]  # blank
        for number, symbol in enumerate(symbols, 1):
            before = "db ac".find(symbol) + 1
            row = old.weight[before] if before else old.weight[1:].mean(dim=0)
            assert torch.allclose(new.weight[number], row, atol=1e-6), symbol
    for name, tensor in bundle.network.state_dict().items():
        if not name.startswith(("output", "auxiliary")):
            assert torch.equal(adapted.network.state_dict()[name], tensor)


def test_a_policy_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="--alphabet is 'grow'; choose one of fail, union, new"):
        adapt(random_bundle(TINY_SPEECH, "ab", "spoken"), TEXTS, "grow")
