"""One bundle out of several trainings that began alike: the mean of their weights."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recog import checkpoint
from recog.checkpoint import Bundle
from recog.errors import ConfigError
from recog.models.network import NetworkConfig
from recog.training import best


def parse(argument: str) -> tuple[str, float]:
    """ "runs/b/best=0.6" -> the bundle and its weight; without a weight, 1."""
    name, sign, number = argument.rpartition("=")
    if not sign:
        return argument, 1.0
    try:
        weight = float(number)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        raise ConfigError(f"the weight in {argument!r} is {number!r}; expected a number above 0")
    return name, weight


def _shape(config: NetworkConfig) -> NetworkConfig:
    """Without what counts in training alone."""
    return replace(config, dropout=0.0, dropout_convolution=0.0, dropout_locked=False)


def average(folder: str | Path, names: Sequence[str], weights: Sequence[float], bits: int = 16) -> Bundle:
    """Writes the bundle whose network is the weighted mean of others' to `folder` (Wortsman 2022, "model soups").

    Runs that began with the same weights (`--init-from`) lie in one valley, and their mean often reads better than
    each; of runs that began apart it is noise. All else, language models too, is that of the first; what was tuned for
    it wants `recog tune` again. A network that one of the others has grown from (`Network.grown`) grows first. With 8
    `bits` the weights take half the place; then one bundle is enough. Refuses fewer, and bundles of different shape,
    input or symbols.
    """
    if len(names) < 2 and bits == 16:
        raise ConfigError(f"{len(names)} bundle came; an average is of two or more")
    bundles = _grown([checkpoint.load(name) for name in names])
    first = bundles[0]
    for name, bundle in zip(names, bundles, strict=True):
        for what, one, other in (
            ("frontends", first.frontend, bundle.frontend),
            ("alphabets", first.alphabet, bundle.alphabet),
            ("text rules", first.text_rule, bundle.text_rule),
        ):
            if one != other:
                raise ConfigError(f"the {what} of {names[0]} and {name} differ; only runs of one shape can be averaged")
    share = [weight / sum(weights) for weight in weights]
    averaged, card = first, checkpoint.find(names[0]) / "card.md"
    if len(bundles) > 1:
        parts = [{"weight": round(one, 4), **bundle.provenance} for one, bundle in zip(share, bundles, strict=True)]
        averaged = replace(first, network=best.mean(bundles, share), provenance={"average_of": parts})
    kept = card.read_text(encoding="utf-8") if len(bundles) == 1 and card.is_file() else ""
    checkpoint.save(averaged, folder, kept, bits)
    return averaged


def _grown(bundles: Sequence[Bundle]) -> list[Bundle]:
    """Each as large as the largest of them. Refuses one that cannot grow into that."""
    largest = max((one.network for one in bundles), key=lambda network: sum(p.numel() for p in network.parameters()))
    same = _shape(largest.config)
    return [
        one if _shape(one.network.config) == same else replace(one, network=one.network.grown(largest.config))
        for one in bundles
    ]
