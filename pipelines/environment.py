"""Sets up what a fresh checkout lacks: a virtual environment beside the code with the packages a command needs.

Runs on the standard library alone, since it runs before anything is installed.
"""

import hashlib
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".venv"
# Extras of pyproject.toml that a command needs beside the core packages.
EXTRAS = {"app": ("app",), "test": ("app", "dev")}
# A module of each, to see whether it is installed.
MODULES = {
    "": ("torch", "av", "librosa", "soundfile", "PIL", "pypdfium2", "jiwer", "rapidfuzz", "safetensors", "tqdm"),
    "app": ("gradio",),
    "dev": ("pytest", "ruff", "mypy", "hypothesis", "xdist", "playwright", "openai"),
}


def rerun_if_needed(arguments: Sequence[str]) -> int | None:
    """None where this Python has all that the command needs; else sets up `.venv`, runs the command there, gives its exit code."""
    command = arguments[0] if arguments else ""
    if command == "doctor" and sys.version_info >= (3, 11):  # tells what is missing, installs nothing
        return None
    extras = EXTRAS.get(command, ())
    if not missing(extras):
        return None
    if sys.version_info < (3, 11):  # noqa: UP036 - this very check must run on an older Python
        print(f"recog needs Python 3.11 or newer; this is {sys.version.split()[0]}", file=sys.stderr)
        return 1
    if Path(sys.prefix).resolve() == FOLDER.resolve():
        print(
            f"packages are missing in {FOLDER} after set-up: {', '.join(missing(extras))}; delete it and try again",
            file=sys.stderr,
        )
        return 1
    python = FOLDER / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not set_up(python, extras):
        return 1
    return subprocess.call([str(python), "-m", "recog", *arguments], cwd=ROOT)


def missing(extras: Sequence[str]) -> list[str]:
    """The modules that this Python lacks of the core and the extras."""
    wanted = [module for extra in ("", *extras) for module in MODULES[extra]]
    return [module for module in wanted if importlib.util.find_spec(module) is None]


def set_up(python: Path, extras: Sequence[str]) -> bool:
    """Makes the environment and installs into it, unless exactly this was done before; says so if it fails."""
    stamp = FOLDER / f"installed-{'-'.join(extras) or 'core'}"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return True
    print(f"setting up {FOLDER} (once; about a minute, 2 GB) ...", file=sys.stderr)
    target = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    steps = [
        [sys.executable, "-m", "venv", str(FOLDER)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", target],
    ]
    for step in steps if not python.exists() else steps[1:]:
        if subprocess.call(step) != 0:
            print(f"set-up failed at: {' '.join(step)}", file=sys.stderr)
            return False
    stamp.write_text(wanted)
    return True


# Tests run on all cores: a process each, of which each wants a gigabyte; arguments that come later win.
SIDE_BY_SIDE = ("-n", "auto", "--maxprocesses", "4", "--dist", "worksteal")


def run_tests(arguments: Sequence[str]) -> int:
    """Lint, types, tests; stops at the first that fails."""
    tests = ["pytest", *SIDE_BY_SIDE, *arguments]
    steps = [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], tests]
    for step in steps:
        print(f"-- {' '.join(step)}", flush=True)
        code = subprocess.call([sys.executable, "-m", *step], cwd=ROOT)
        if code:
            return code
    return 0
