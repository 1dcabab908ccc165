"""All a training run needs to go on as if it had never stopped, in one file without pickle, written atomically."""

import contextlib
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from recog.errors import CheckpointError, RecogError, TrainingError
from recog.models.average import Average
from recog.training.identity import differences
from recog.training.stop import StoppedError

# What reading a file that is none of ours, or half of one, raises.
DAMAGE = (OSError, KeyError, TypeError, ValueError, RuntimeError, safetensors.SafetensorError)
# Whole numbers of a state, by their names.
COUNTERS = ("epoch", "batch", "batches", "updates", "bad", "stale", "waited", "cuts")


@dataclass(frozen=True)
class Ranked:
    """A bundle that is kept, and how well its weights read the dev rows."""

    epoch: int
    cer: float


@dataclass(frozen=True)
class Origin:
    """What a run began from, which its settings do not tell."""

    updates: int
    # The symbols, which --init-from may have brought along.
    symbols: tuple[str, ...]
    provenance: dict[str, Any]
    # fit.precision as it was decided; None in a state that does not tell.
    precision: str | None


class TrainState:
    """Position of a run (epoch, batch, updates, minutes, dev scores), tied to the objects whose tensors it saves.

    Nothing random is in it: what an update draws follows from seed, epoch and batch (`recog.trainer.seeded`).
    `identity` is what must be the same when the run is resumed, `provenance` travels along.
    """

    def __init__(
        self,
        path: Path,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        average: Average,
        identity: Mapping[str, Any] | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.path, self.network, self.optimiser, self.average = path, network, optimiser, average
        self.identity, self.provenance = dict(identity or {}), dict(provenance or {})
        # Batches of the epoch that are done, of so many.
        self.batch = self.batches = 0
        self.epoch = self.updates = self.bad = self.bad_in_a_row = 0
        self.best_cer = math.inf
        # Epochs since the best one, epochs since then or the last cut of the rate, and cuts so far.
        self.stale = self.waited = self.cuts = 0
        self.kept: list[Ranked] = []
        self.saved_updates: int | None = None
        self._whole = True
        self._minutes_before = 0.0
        self._started = self._saved = time.monotonic()

    @property
    def minutes(self) -> float:
        """Wall time of the run so far, earlier parts included."""
        return self._minutes_before + (time.monotonic() - self._started) / 60

    def advance(self, epoch: int, batch: int, batches: int, finite: bool) -> None:
        """One update further, done or thrown away, at `batch` of the epoch's `batches`."""
        self.epoch, self.batch, self.batches = epoch, batch, batches
        self.updates += finite
        self.bad += not finite
        self.bad_in_a_row = 0 if finite else self.bad_in_a_row + 1

    def hope(self, patience: int) -> None:
        """Refuses to go on after that many gradients in a row that were not finite."""
        if self.bad_in_a_row >= patience:
            raise TrainingError(f"{patience} gradients in a row were not finite; resume with a lower fit.peak_rate")

    def position(self, batches: int) -> int:
        """The batch to go on with; where a resumed run cuts its epochs into other batches, the one at the same share."""
        return self.batch if batches == self.batches or not self.batches else self.batch * batches // self.batches

    def next_epoch(self, epoch: int) -> None:
        """At the start of an epoch."""
        self.epoch, self.batch, self.batches = epoch, 0, 0

    def judge(self, cer: float, plateau_epochs: int) -> bool:
        """Takes in an epoch's dev CER; true where it is the best so far. Every `plateau_epochs` without gain make a cut."""
        if cer < self.best_cer:
            self.best_cer, self.stale, self.waited = cer, 0, 0
            return True
        self.stale += 1
        self.waited += 1
        if self.waited >= plateau_epochs:
            self.cuts, self.waited = self.cuts + 1, 0
        return False

    def due(self, minutes: float) -> bool:
        """Whether the last save is that long ago."""
        return time.monotonic() - self._saved >= minutes * 60

    @contextlib.contextmanager
    def moving(self) -> Iterator[None]:
        """Around what moves weights, average and position together: in its midst they do not fit each other."""
        self._whole = False
        yield
        self._whole = True

    @contextlib.contextmanager
    def rescued(self, writes: bool = True) -> Iterator[None]:
        """Whatever ends the run within the block, the state is saved first if it is whole; the sentence says so.

        A process that does not write (of several under torchrun) leaves that to the one that does.
        """
        try:
            yield
        except CheckpointError:  # the state or a bundle cannot be written: what lies there stays
            raise
        except Exception as error:
            if not writes:
                raise
            if self._whole:
                self.save()
            at = f"the state of update {self.saved_updates} is saved, go on with --resume"
            if isinstance(error, StoppedError):
                raise StoppedError(f"{error} at update {self.updates}; {at}") from error
            if isinstance(error, OSError | MemoryError | RecogError | safetensors.SafetensorError):
                said = str(error).rstrip(".") or type(error).__name__
                raise TrainingError(f"{said}; {at}") from error
            raise  # a fault of ours: the traceback is wanted

    def save(self) -> None:
        """Writes everything to the path, by way of a partial file; refuses where that fails, and the old file stays."""
        tensors: dict[str, Tensor] = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.tensors.items()}
        for number, values in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{key}": value for key, value in values.items()}
        described = {"state": self._numbers(), "identity": self.identity, "provenance": self.provenance}
        partial = self.path.with_name(self.path.name + ".partial")
        try:
            save_file(
                {name: t.detach().cpu().contiguous() for name, t in tensors.items()},
                partial,
                {name: json.dumps(value) for name, value in described.items()},
            )
            with partial.open("rb") as file:
                os.fsync(file.fileno())  # a name must never stand for bytes that a power cut may take
            partial.replace(self.path)
        except (OSError, safetensors.SafetensorError) as error:
            partial.unlink(missing_ok=True)
            last = (
                "no state was saved before"
                if self.saved_updates is None
                else f"that of update {self.saved_updates} stays"
            )
            raise CheckpointError(
                f"training state {self.path} cannot be written ({_reason(error)}); {last}: make room and go on with --resume"
            ) from error
        self._saved, self.saved_updates = time.monotonic(), self.updates

    def load(self) -> None:
        """Brings everything back. Refuses a missing or damaged file, and one of another network, data set or settings."""
        try:
            with safetensors.safe_open(self.path, "pt") as file:
                numbers: dict[str, Any] = json.loads(file.metadata()["state"])
                before: dict[str, Any] = json.loads(file.metadata()["identity"])
                changed = differences(before, self.identity)
                if changed:
                    raise CheckpointError(
                        f"run {self.path.parent} cannot be resumed, since {'; '.join(changed)}: give it what it began "
                        "with, or start another run with --init-from"
                    )
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            self.network.load_state_dict(_under("network.", tensors))
            self.average.tensors = {
                name: tensor.to(self.average.tensors[name].device)
                for name, tensor in _under("average.", tensors).items()
            }
            self._load_optimiser(_under("optimiser.", tensors))
            self._load_numbers(numbers)
        except DAMAGE as error:
            raise CheckpointError(
                f"training state {self.path} cannot be resumed ({_reason(error)}); start anew or use --init-from"
            ) from error
        self.saved_updates = self.updates

    def _numbers(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in COUNTERS},
            "average_updates": self.average.updates,
            "minutes": self.minutes,
            "best_cer": self.best_cer if math.isfinite(self.best_cer) else None,
            "kept": [asdict(ranked) for ranked in self.kept],
        }

    def _load_numbers(self, numbers: dict[str, Any]) -> None:
        for name in COUNTERS:
            setattr(self, name, int(numbers[name]))
        self.average.updates = int(numbers["average_updates"])
        self._minutes_before = float(numbers["minutes"])
        self.best_cer = math.inf if numbers["best_cer"] is None else float(numbers["best_cer"])
        self.kept = [Ranked(int(ranked["epoch"]), float(ranked["cer"])) for ranked in numbers["kept"]]

    def _load_optimiser(self, tensors: dict[str, Tensor]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            number, key = name.split(".", 1)
            state.setdefault(int(number), {})[key] = tensor
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})


def origin(path: Path) -> Origin:
    """What the run whose state lies at `path` began from. Refuses a missing or damaged file."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            described = {name: json.loads(text) for name, text in file.metadata().items()}
        began = described["identity"]
        updates, precision = int(described["state"]["updates"]), began.get("fit.precision")
        return Origin(updates, tuple(began["alphabet"]), described["provenance"], precision)
    except DAMAGE as error:
        raise CheckpointError(
            f"training state {path} cannot be resumed ({_reason(error)}); start anew or use --init-from"
        ) from error


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
