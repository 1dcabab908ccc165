"""The best bundles of a run, in its folder: `best`, the k last to be good in `kept`, and their weights' average."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from recog import checkpoint
from recog.checkpoint import Bundle
from recog.evaluation import Scores
from recog.models.network import Network
from recog.training.state import Ranked


def place(folder: Path, epoch: int) -> Path:
    """Where the bundle of an epoch is kept."""
    return folder / "kept" / f"epoch-{epoch:04d}"


def ranking(kept: Sequence[Ranked], new: Ranked, count: int) -> list[Ranked]:
    """The best `count` of all, best first; of equals the earlier one stands higher."""
    others = [ranked for ranked in kept if ranked.epoch != new.epoch]
    return sorted((*others, new), key=lambda ranked: (ranked.cer, ranked.epoch))[:count]


def write(bundle: Bundle, folder: Path, epoch: int, kept: Sequence[Ranked], is_best: bool) -> None:
    """Saves an epoch's bundle where it belongs: among those kept, as `best`, or nowhere."""
    if any(ranked.epoch == epoch for ranked in kept):
        checkpoint.save(bundle, place(folder, epoch))
    if is_best:
        checkpoint.save(bundle, folder / "best")


def tidy(folder: Path, kept: Sequence[Ranked]) -> None:
    """Deletes bundles that are no longer kept, and what a save that was cut off has left behind."""
    wanted = {place(folder, ranked.epoch).name for ranked in kept}
    # A folder that ends in .old is what `checkpoint.find` reads where a save was cut off between its last two steps.
    cut_off = [path for name in (".best.*", ".average.*", "kept/.epoch-*") for path in folder.glob(name)]
    for path in (*folder.glob("kept/epoch-*"), *(path for path in cut_off if not path.name.endswith(".old"))):
        if path.name not in wanted:
            shutil.rmtree(path, ignore_errors=True)


def mean(bundles: Sequence[Bundle], shares: Sequence[float] | None = None) -> Network:
    """A network whose weights and statistics are the mean of the bundles' (Izmailov 2018); all of one shape.

    Each counts by its share, of which the sum is 1; without shares all count alike.
    """
    first = bundles[0].network
    counted = torch.tensor(shares if shares is not None else [1 / len(bundles)] * len(bundles))
    states = [bundle.network.state_dict() for bundle in bundles]
    network = Network(first.config, first.features, first.symbols)
    network.load_state_dict(
        {
            name: torch.tensordot(counted.to(tensor.dtype), torch.stack([state[name] for state in states]), dims=1)
            if tensor.is_floating_point()
            else tensor
            for name, tensor in states[0].items()
        }
    )
    return network.eval()


def average(folder: Path, kept: Sequence[Ranked]) -> Bundle:
    """The average of the bundles kept, saved as `folder`/average."""
    bundles = [checkpoint.load(place(folder, ranked.epoch)) for ranked in kept]
    provenance = {**bundles[0].provenance, "average_of_epochs": sorted(ranked.epoch for ranked in kept)}
    provenance.pop("dev", None)
    averaged = replace(bundles[0], network=mean(bundles), provenance=provenance)
    checkpoint.save(averaged, folder / "average")
    return checkpoint.load(folder / "average")


def figures(scores: Scores) -> dict[str, Any]:
    """Scores as a bundle's provenance holds them."""
    return {"cer": round(scores.characters.rate, 5), "wer": round(scores.words.rate, 5), "rows": scores.rows}
