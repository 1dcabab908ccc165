"""All a training run needs to go on as if it had never stopped, in one file without pickle, written atomically."""

import json
import math
import signal
import threading
import time
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from recog.errors import CheckpointError, TrainingError
from recog.models.average import Average


class StopRequest:
    """Within its block, notes SIGTERM and Ctrl-C, so that the loop can save before it ends; a second one ends at once."""

    def __init__(self) -> None:
        self.requested = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # Python hears signals there alone
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = signal.Signals(number).name


class TrainState:
    """Position of a run (epoch, batch, updates, minutes, best CER), tied to the objects whose tensors it saves."""

    def __init__(self, path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, average: Average) -> None:
        self.path, self.network, self.optimiser, self.average = path, network, optimiser, average
        self.epoch = self.batch = self.updates = self.bad = self.bad_in_a_row = 0
        self.best_cer = math.inf
        self._minutes_before = 0.0
        self._started = self._saved = time.monotonic()

    @property
    def minutes(self) -> float:
        """Wall time of the run so far, earlier parts included."""
        return self._minutes_before + (time.monotonic() - self._started) / 60

    def advance(self, epoch: int, batch: int, finite: bool, patience: int) -> None:
        """One batch further; too many non-finite gradients in a row end the run with a sentence."""
        self.epoch, self.batch = epoch, batch
        self.updates += finite
        self.bad += not finite
        self.bad_in_a_row = 0 if finite else self.bad_in_a_row + 1
        if self.bad_in_a_row >= patience:
            raise TrainingError(f"{patience} gradients in a row were not finite; resume with a lower fit.peak_rate")

    def next_epoch(self, epoch: int) -> None:
        """At the start of an epoch."""
        self.epoch, self.batch = epoch, 0

    def due(self, minutes: float) -> bool:
        """Whether the last save is that long ago."""
        return time.monotonic() - self._saved >= minutes * 60

    def save(self) -> None:
        """Writes everything to the path, by way of a partial file."""
        tensors: dict[str, Tensor] = {"random": torch.get_rng_state()}
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        tensors |= {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.tensors.items()}
        for number, values in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{key}": value for key, value in values.items()}
        numbers = {
            "epoch": self.epoch,
            "batch": self.batch,
            "updates": self.updates,
            "bad": self.bad,
            "average_updates": self.average.updates,
            "minutes": self.minutes,
            "best_cer": self.best_cer if math.isfinite(self.best_cer) else None,
        }
        partial = self.path.with_name(self.path.name + ".partial")
        save_file(
            {name: t.detach().cpu().contiguous() for name, t in tensors.items()},
            partial,
            {"state": json.dumps(numbers)},
        )
        partial.replace(self.path)
        self._saved = time.monotonic()

    def load(self) -> None:
        """Brings everything back. Refuses a missing or damaged file, or one of another network."""
        try:
            with safetensors.safe_open(self.path, "pt") as file:
                numbers: dict[str, Any] = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            self.network.load_state_dict(_under("network.", tensors))
            self.average.tensors = {
                name: tensor.to(self.average.tensors[name].device)
                for name, tensor in _under("average.", tensors).items()
            }
            self._load_optimiser(_under("optimiser.", tensors))
            self._load_numbers(numbers)
            torch.set_rng_state(tensors["random"])
        except (OSError, KeyError, TypeError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"training state {self.path} cannot be resumed ({reason}); start anew or use --init-from"
            ) from error
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])

    def _load_numbers(self, numbers: dict[str, Any]) -> None:
        self.epoch, self.batch, self.updates, self.bad = (
            int(numbers[key]) for key in ("epoch", "batch", "updates", "bad")
        )
        self.average.updates = int(numbers["average_updates"])
        self._minutes_before = float(numbers["minutes"])
        self.best_cer = math.inf if numbers["best_cer"] is None else float(numbers["best_cer"])

    def _load_optimiser(self, tensors: dict[str, Tensor]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            number, key = name.split(".", 1)
            state.setdefault(int(number), {})[key] = tensor
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
