"""TensorBoard event files of a training run, where TensorBoard is installed (extra `train`)."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recog.errors import ConfigError

WISHES = ("auto", "yes", "no")
INSTALL = 'python -m pip install "tensorboard>=2.17"'


class Events:
    """Scalars of a run folder for `tensorboard --logdir`; a run that went on elsewhere continues its curves."""

    def __init__(self, folder: Path, wish: str = "auto") -> None:
        """`wish`: "auto" writes where TensorBoard is installed, "yes" refuses where it is not, "no" writes nothing."""
        if wish not in WISHES:
            raise ConfigError(f"fit.tensorboard is {wish!r}; choose one of {', '.join(WISHES)}")
        installed = importlib.util.find_spec("tensorboard") is not None
        if wish == "yes" and not installed:
            raise ConfigError(f"fit.tensorboard is 'yes', and TensorBoard is not installed; {INSTALL}")
        self._folder = folder
        self._writer: Any = None
        self.wanted = wish != "no" and installed
        # What to tell the user, if anything: nothing is left out in silence.
        self.note = "" if installed or wish == "no" else f"no TensorBoard events are written: {INSTALL}"

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Writes values under names like "train/loss"; events of later steps, from before a resume, are superseded."""
        if not self.wanted:
            return
        if self._writer is None:
            self._writer = _writer(self._folder, step)
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()


def _writer(folder: Path, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter  # seconds: not before the first event

    return SummaryWriter(log_dir=str(folder), purge_step=step)
