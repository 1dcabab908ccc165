"""A trained bundle for other data: what becomes of its alphabet, and of the output rows that stand for its symbols."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from recog.alphabet import Alphabet
from recog.checkpoint import Bundle
from recog.errors import AlphabetError, ConfigError

POLICIES = ("fail", "union", "new")


def adapt(bundle: Bundle, texts: Iterable[str], policy: str, rare: int = 1) -> Bundle:
    """The bundle for texts (after their text rule) that may hold symbols it lacks; characters seen less than `rare` times do not count.

    fail   refuses such symbols, naming them with their counts
    union  keeps every symbol with its number and its weights, and adds the others behind them, in code point order
    new    takes the alphabet of the texts, with the weights of the symbols that both have
    A new symbol begins as the mean of the old ones (`Network.with_symbols`), in the top head and the auxiliary ones.
    """
    if policy not in POLICIES:
        raise ConfigError(f"--alphabet is {policy!r}; choose one of {', '.join(POLICIES)}")
    counts = Counter(character for text in texts for character in text)
    wanted = sorted(symbol for symbol, count in counts.items() if count >= rare)
    old = bundle.alphabet.symbols
    unknown = [symbol for symbol in wanted if symbol not in old]
    if policy == "fail" and unknown:
        named = ", ".join(f"U+{ord(symbol):04X} {symbol!r} {counts[symbol]} times" for symbol in unknown)
        raise AlphabetError(
            f"the training rows hold {len(unknown)} symbols that bundle {bundle.name} cannot write: {named}; give "
            "--alphabet union to add them, --alphabet new for the rows' own alphabet, or leave them out with data.rare"
        )
    symbols = tuple(wanted) if policy == "new" else (*old, *unknown)
    if symbols == old:
        return bundle
    sources = [0, *(old.index(symbol) + 1 if symbol in old else None for symbol in symbols)]
    # Language models count in the old alphabet; they are put into the new bundle by `recog tune`.
    return replace(bundle, network=bundle.network.with_symbols(sources), alphabet=Alphabet(symbols), language=None)
