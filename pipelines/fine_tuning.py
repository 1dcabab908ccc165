"""Fine-tuning as a process of its own: begun from a bundle, watched by what it writes, stopped, gone on with, used.

A run is a folder: `settings.toml`, `data/` (manifests), `training/` (what `recog train` leaves), `messages.txt` (what it
said), `run.json` (what it was begun from) and, once it is used, `bundle/`. It outlives the program that began it.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipelines.training_rows import gather
from recog import checkpoint, curves
from recog.checkpoint import Bundle
from recog.curves import History
from recog.errors import CheckpointError, ConfigError, RecogError
from recog.recognizer import Recognizer

if sys.platform != "win32":
    import fcntl

TRAINING, STOPPED, DONE, FAILED = "training", "stopped", "done", "failed"
# Where `python -m recog` is found.
_ROOT = Path(__file__).resolve().parents[1]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
# docs/fine-tuning.md tells why: few rows want a short run, small batches and much variation.
_COMMON: Mapping[str, Mapping[str, Any]] = {
    "data": {"batch_frames": 6000},
    "fit": {
        "peak_rate": 1e-3,
        "warmup_steps": 20,
        "average": 0.98,
        "stop_after": 15,
        "log_every": 1,
        "save_minutes": 1.0,
        "tensorboard": "no",
    },
}
_VARIED: Mapping[str, Mapping[str, Any]] = {
    "speech": {"tempo": 0.1, "warp": 0.08},
    "handwriting": {
        **{"slant": 0.25, "rotation": 1.5, "stretch": 0.2, "scale": 0.25, "elastic": 1.5, "stroke": 0.2},
        **{"blur": 0.1, "noise": 0.1, "contrast": 0.2, "light": 0.1, "crop": 0.15, "erase": 0.1},
    },
}


@dataclass(frozen=True)
class Began:
    """What a run was begun from."""

    # Name or folder of the bundle, and "speech" or "handwriting".
    bundle: str
    kind: str
    # Rows to learn from, and rows to choose the best by.
    rows: int
    dev_rows: int


class Run:
    """One run, by its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def began(self) -> Began:
        """What it was begun from; refuses a folder that is no run."""
        try:
            return Began(**json.loads((self.folder / "run.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"{self.folder} is not a run that was begun here: {error}") from error

    @property
    def state(self) -> str:
        """TRAINING, STOPPED (it can go on), DONE or FAILED (see `last_words`)."""
        if self._goes_on():
            return TRAINING
        if (self.folder / "training" / "card.md").is_file():  # written last
            return DONE
        return STOPPED if "stopped by" in self.last_words() else FAILED

    @property
    def usable(self) -> bool:
        """Whether it has a bundle already: the best of the passes that are done."""
        return (self.folder / "training" / "best" / "bundle.json").is_file()

    def history(self) -> History:
        """What its log tells so far."""
        log = self.folder / "training" / "log.jsonl"
        return curves.read(log) if log.is_file() else History((), ())

    def last_words(self) -> str:
        """The last line that the process said, a refusal for example."""
        try:
            said = (self.folder / "messages.txt").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")

    def go(self) -> None:
        """Starts the process, from the last saved state where there is one; refuses a run that goes on already."""
        training, began = self.folder / "training", self.began
        command = [sys.executable, "-m", "recog", "train", str(self.folder / "settings.toml")]
        command += ["--train", str(self.folder / "data" / "train.jsonl"), "--out", str(training)]
        command += ["--dev", str(self.folder / "data" / "dev.jsonl")]
        if (training / "state.safetensors").is_file():
            command.append("--resume")
        else:
            command += ["--init-from", began.bundle, "--alphabet", "union"]
        with self._held() as lock, (self.folder / "messages.txt").open("ab") as said:
            # A session of its own: Ctrl-C in the terminal of the page is the page's, which ends the run gently.
            self._process = subprocess.Popen(
                command,
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
                pass_fds=lock,
            )
            if sys.platform != "win32":
                # Who reads on the page goes first.
                patient = max(5, os.getpriority(os.PRIO_PROCESS, 0))
                os.setpriority(os.PRIO_PROCESS, self._process.pid, patient)
            (self.folder / "process").write_text(str(self._process.pid), encoding="utf-8")

    def stop(self, patience_seconds: float = 60.0) -> None:
        """Asks the process to save its state and end, and waits until it has; after `patience_seconds` it is killed."""
        if not self._goes_on():
            return
        # While the lock is held the process lives, and its number is nobody else's.
        number = int((self.folder / "process").read_text(encoding="utf-8"))
        for asked, wait in ((signal.SIGTERM, patience_seconds), (getattr(signal, "SIGKILL", signal.SIGTERM), 10.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, asked)
            end = time.monotonic() + wait
            while self._goes_on() and time.monotonic() < end:
                time.sleep(0.05)
            if not self._goes_on():
                return

    def bundle(self) -> Path:
        """The best bundle so far with what its base knows of the language, saved as `bundle/`; gives that folder.

        Refuses a run that has not finished a pass yet.
        """
        if not self.usable:
            raise ConfigError(f"run {self.name} has no bundle yet; it has one after its first pass over the rows")
        best = self.folder / "training" / "best"
        tuned = with_language(checkpoint.load(best), checkpoint.load(self.began.bundle))
        card = (best / "card.md").read_text(encoding="utf-8") if (best / "card.md").is_file() else ""
        checkpoint.save(replace(tuned, name=self.name), self.folder / "bundle", card)
        return self.folder / "bundle"

    def _goes_on(self) -> bool:
        if self._process is not None and self._process.poll() is None:
            return True
        if sys.platform == "win32" or not (self.folder / "lock").exists():
            return False
        with (self.folder / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    @contextlib.contextmanager
    def _held(self) -> Iterator[tuple[int, ...]]:
        """Holds the lock of the run; a process that is given its number holds it until it ends, whoever began it."""
        if sys.platform == "win32":
            yield ()
            return
        with (self.folder / "lock").open("a") as file:
            for attempt in reversed(range(20)):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if not attempt:
                        raise ConfigError(f"run {self.name} goes on already; stop it first") from error
                    time.sleep(0.01)  # somebody may be looking whether it goes on
            yield (file.fileno(),)


class Runs:
    """The runs in a folder. One trains at a time: two would each take twice as long."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, Run] = {}
        self._beginning = threading.Lock()

    def names(self) -> list[str]:
        """The names of all runs, the latest first."""
        found = [path.parent for path in self.folder.glob("*/run.json")]
        return [path.name for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]

    def get(self, name: str) -> Run:
        """The run of that name; refuses one that there is not."""
        if name not in self.names():
            raise ConfigError(f"there is no run {name!r} here; there are: {', '.join(self.names()) or 'none'}")
        return self._known.setdefault(name, Run(self.folder / name))

    def begin(
        self,
        name: str,
        bundle: str,
        source: Path,
        passes: int,
        sent: bool = False,
        tell: Callable[[int, int], object] = lambda done, all_: None,
    ) -> Run:
        """Makes a run from a bundle and a folder of samples (`training_rows.gather`), and starts its process.

        `sent`: the folder came from elsewhere, and becomes part of the run; its rows may name no file outside it.
        `tell` is told of samples looked at, and of how many there are; what it raises ends the making of the run, of
        which nothing is left. Refuses a name that is taken or unfit, samples of another kind than the bundle's, and a
        second run at a time.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is no name for a run: letters, digits, - and _, at most 40")
        with self._beginning:
            if (self.folder / name).exists() or (checkpoint.SHELF / name).exists():
                raise ConfigError(f"the name {name} is taken already; choose another one")
            self._alone()
            self._prepare(name, bundle, source, passes, sent, tell)
            run = self.get(name)
            run.go()
            return run

    def _prepare(
        self, name: str, bundle: str, source: Path, passes: int, sent: bool, tell: Callable[[int, int], object]
    ) -> None:
        """The folder of a run, whole or not at all."""
        described = _described(bundle)
        folder = self.folder / name
        folder.mkdir(parents=True)
        try:
            if sent:
                shutil.move(source, folder / "samples")
                source = folder / "samples"
            rows = gather(source, described["kind"], folder / "data", sent, tell)
            settings = {**described, **_recipe(described, passes), "name": name}
            (folder / "settings.toml").write_text(toml(settings), encoding="utf-8")
            base = str(checkpoint.find(bundle).resolve())
            began = Began(base, described["kind"], rows.train, rows.dev)
            tell(1, 1)  # whoever wants no more of it has said so by now
            (folder / "run.json").write_text(json.dumps(asdict(began), indent=2) + "\n", encoding="utf-8")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def go_on(self, name: str) -> Run:
        """Goes on with a run that was stopped."""
        run = self.get(name)
        with self._beginning:
            self._alone()
            run.go()
        return run

    def close(self, patience_seconds: float = 60.0) -> None:
        """Stops the run that goes on, where one does; its state is saved."""
        for name in self.names():
            self.get(name).stop(patience_seconds)

    def _alone(self) -> None:
        busy = next((name for name in self.names() if self.get(name).state == TRAINING), None)
        if busy:
            raise ConfigError(f"run {busy} goes on; stop it, or wait until it is done")


def with_language(tuned: Bundle, base: Bundle) -> Bundle:
    """The tuned bundle with the language models and the restorer of its base, where its alphabet lets them decide.

    Confidences were calibrated for other weights, and are raw again.
    """
    tuned = replace(tuned, restorer=base.restorer)
    if base.language is None:
        return tuned
    known = replace(tuned, language=replace(base.language, confidences={}))
    try:
        Recognizer(known)
    except RecogError:  # new symbols that the models have never met
        return tuned
    return known


def _described(bundle: str) -> dict[str, Any]:
    """The settings that a bundle was trained with, as far as its weights hang on them."""
    folder = checkpoint.find(bundle)
    try:
        described = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        return {key: described[key] for key in ("kind", "text_rule", "frontend", "network")}
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"bundle {folder} is damaged ({error}); fetch or train it again") from error


def _recipe(described: Mapping[str, Any], passes: int) -> dict[str, Any]:
    if not 1 <= passes <= 1000:
        raise ConfigError(f"{passes} passes over the rows are asked for; choose 1 to 1000")
    return {
        "network": {**described["network"], "dropout": 0.3 if described["kind"] == "handwriting" else 0.2},
        "augment": _VARIED[described["kind"]],
        "data": _COMMON["data"],
        "fit": {**_COMMON["fit"], "epochs": passes},
    }


def toml(settings: Mapping[str, Any], group: str = "") -> str:
    """Nested settings as TOML; what is None is left out. Strings, numbers and lists of them are written as in JSON."""
    lines = [
        f"{key} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in settings.items()
        if not isinstance(value, Mapping) and value is not None
    ]
    text = "".join(f"{line}\n" for line in lines)
    if group and lines:
        text = f"\n[{group}]\n{text}"
    for key, value in settings.items():
        if isinstance(value, Mapping):
            text += toml(value, f"{group}.{key}" if group else key)
    return text
