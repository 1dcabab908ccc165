"""Published corpora fetched by torchaudio's own code, where torchaudio works: only when asked for, and only to prepare them."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from recog.errors import ConfigError, InputError

# Corpus kind -> what can be fetched of it.
FETCHABLE = {
    "librispeech": (
        *("dev-clean", "dev-other", "test-clean", "test-other"),
        *("train-clean-100", "train-clean-360", "train-other-500"),
    ),
    "ljspeech": ("LJSpeech-1.1",),
}


def fetch(kind: str, names: Sequence[str], folder: Path) -> Path:
    """Downloads and unpacks these parts of a corpus into a folder; gives the folder to prepare. What is there stays.

    Refuses what cannot be fetched before anything is, and a part whose unpacking was cut off.
    """
    known = FETCHABLE.get(kind, ())
    strange = [name for name in names if name not in known]
    if strange:
        expected = f"choose among {', '.join(known)}" if known else f"only {' and '.join(FETCHABLE)} can be fetched"
        raise ConfigError(f"--fetch {strange[0]}: nothing of that name belongs to {kind}; {expected}")
    datasets = _datasets()
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        place, done = _place(kind, name, folder), folder / f"{name}.fetched"
        if done.exists():
            continue
        if place.exists():
            raise InputError(
                f"{place} was not unpacked to its end, or came from elsewhere; remove it, or leave --fetch out"
            )
        print(f"fetching {name} into {folder}", file=sys.stderr)
        try:
            if kind == "librispeech":
                datasets.LIBRISPEECH(folder, url=name, download=True)
            else:
                datasets.LJSPEECH(folder, download=True)
        except (OSError, RuntimeError) as error:  # no network, no room, another checksum
            raise InputError(f"{name} cannot be fetched ({' '.join(str(error).split())[:200]})") from error
        done.touch()
    return folder if kind == "librispeech" else _place(kind, names[0], folder)


def _place(kind: str, name: str, folder: Path) -> Path:
    return folder / "LibriSpeech" / name if kind == "librispeech" else folder / name


def _datasets() -> ModuleType:
    try:
        return importlib.import_module("torchaudio.datasets")
    except (ImportError, OSError) as error:  # not there, or built for another PyTorch
        reason = " ".join(str(error).split())[:120]
        raise ConfigError(
            f"--fetch needs torchaudio, which cannot be imported here ({reason}); fetch and unpack the corpus yourself, "
            "`recog doctor` says more"
        ) from error
