"""Pages whose lines are known -> a page segmenter: the visible loop."""

import sys
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from recog import image
from recog.errors import ConfigError, TrainingError
from recog.layout import marked, segmenter, sight
from recog.layout.marked import MarkedPage
from recog.layout.network import ABOVE, BASELINE, BELOW, ENDS, PageMaps, SegmenterConfig, SegmenterNetwork
from recog.layout.segmenter import Segmenter
from recog.layout.varied import Sample, SourcePage, Variety, sample
from recog.training.precision import arithmetic, choose

# How much more a false baseline costs where a line ends than elsewhere.
BEYOND_ENDS = 3.0


@dataclass(frozen=True)
class SegmentingConfig:
    """How a segmenter is trained."""

    minutes: float = 40.0
    # Stops after so many steps, if they come first; 0: time alone decides.
    steps: int = 0
    # Squares that are looked at together.
    batch: int = 3
    peak_rate: float = 2e-3
    warmup_steps: int = 100
    # Share of the averaged weights that stays at each step, once there are enough of them.
    average: float = 0.997
    # "bf16", "fp32" or "auto", the faster one on this machine.
    precision: str = "auto"
    save_every_minutes: float = 3.0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.minutes <= 0 or self.batch < 1 or not 0 <= self.average < 1:
            raise ConfigError("segmenting: minutes above 0, batch from 1, average from 0 to below 1")


def train(
    pages: Sequence[MarkedPage],
    target: Path,
    config: SegmentingConfig | None = None,
    shape: SegmenterConfig | None = None,
    variety: Variety | None = None,
    start: Path | None = None,
) -> Segmenter:
    """Trains a segmenter, writes it to `target` now and then and at the end; progress and losses on stderr.

    It begins with that of the file `start`, shape included, where one is given. Refuses no pages, and stops where the
    loss is no number.
    """
    config, variety = config or SegmentingConfig(), variety or Variety()
    choice = choose(config.precision)
    print(f"precision: {choice.precision} ({choice.reason})", file=sys.stderr)
    sources = load(pages)
    torch.manual_seed(config.seed)
    random = np.random.default_rng(config.seed)
    network = (segmenter.load(start).network if start else SegmenterNetwork(shape or SegmenterConfig())).train()
    averaged = deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), config.peak_rate, weight_decay=1e-3)
    begun, saved, steps, smooth = time.monotonic(), time.monotonic(), 0, 0.0
    with tqdm(total=round(config.minutes * 60), unit="s", mininterval=5.0) as bar:
        while (share := _done(config, steps, time.monotonic() - begun)) < 1:
            for group in optimiser.param_groups:
                group["lr"] = config.peak_rate * min((steps + 1) / config.warmup_steps, 1.0) * (1 - share)
            batch = [sample(sources, variety, random) for _ in range(config.batch)]
            pictures = torch.stack([segmenter.features(one.picture) for one in batch])
            with arithmetic(choice.precision, torch.device("cpu")):
                found = network(pictures)
            cost = loss(found, batch)
            if not torch.isfinite(cost):
                raise TrainingError(f"the loss is {float(cost.detach())} at step {steps}; lower peak_rate")
            optimiser.zero_grad()
            cost.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimiser.step()
            steps += 1
            _average(averaged, network, min(config.average, steps / (steps + 10)))
            smooth = float(cost.detach()) if steps == 1 else 0.98 * smooth + 0.02 * float(cost.detach())
            bar.set_postfix_str(f"step {steps}, loss {smooth:.4f}", refresh=False)
            bar.update(round(time.monotonic() - begun) - bar.n)
            if time.monotonic() - saved > 60 * config.save_every_minutes:
                segmenter.save(Segmenter(averaged), target)
                saved = time.monotonic()
    segmenter.save(Segmenter(averaged), target)
    return segmenter.load(target)


def _done(config: SegmentingConfig, steps: int, seconds: float) -> float:
    """The share of the training that is over."""
    return max(seconds / (60 * config.minutes), steps / config.steps if config.steps else 0.0)


def load(pages: Sequence[MarkedPage]) -> list[SourcePage]:
    """Pages in memory, no larger than needed. Refuses none at all and pictures that cannot be read."""
    sources = []
    for page in tqdm(pages, "pages", unit="page", disable=None):
        picture = image.read(page.picture)
        scale = sight.scale(picture.width, picture.height)
        sources.append(SourcePage(picture, tuple(marked.course(line) for line in page.lines), scale))
    if not sources:
        raise TrainingError("there are no pages to learn from; give manifests of pages, or folders of PAGE or ALTO XML")
    return sources


def loss(found: PageMaps, batch: Sequence[Sample]) -> Tensor:
    """Cross entropies of baselines, ends and turns, and distances of the logs of the reaches, where lines are."""
    targets = [one.targets for one in batch]
    lines = found.lines.float()
    counts = torch.tensor([float(one.quarters <= 0) for one in batch])[:, None, None]  # turned ones tell the turn alone

    def stacked(name: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(one, name) for one in targets]))

    baseline, ends = stacked("baseline"), stacked("ends")
    cross = functional.binary_cross_entropy_with_logits
    # A baseline that runs on through an end joins two lines for good: the pixels there weigh more.
    weights = counts * (1 + BEYOND_ENDS * ends * (1 - baseline))
    total = (cross(lines[:, BASELINE], baseline, reduction="none", pos_weight=torch.tensor(3.0)) * weights).mean()
    total = total + 0.7 * (cross(lines[:, ENDS], ends, reduction="none", pos_weight=torch.tensor(5.0)) * counts).mean()
    shown = baseline * counts
    for number, name in ((ABOVE, "above"), (BELOW, "below")):
        apart = functional.smooth_l1_loss(lines[:, number], stacked(name), reduction="none", beta=0.1)
        total = total + 0.15 * (apart * shown).sum() / shown.sum().clamp(min=1.0)
    turns = torch.tensor([one.quarters for one in batch])
    if (turns >= 0).any():
        total = total + 0.05 * functional.cross_entropy(found.turns.float(), turns, ignore_index=-1)
    return total


@torch.no_grad()
def _average(averaged: SegmenterNetwork, network: SegmenterNetwork, keep: float) -> None:
    for kept, fresh in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(fresh, 1 - keep)
        else:
            kept.copy_(fresh)
