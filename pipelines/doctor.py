"""What this machine and installation can do, what is missing and the command that mends it. Looks, changes nothing.

Every package is imported where it is looked at: a broken one is a finding, not a crash.
"""

import contextlib
import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from recog import __version__
from recog.errors import RecogError

OLDEST_PYTHON = (3, 11)
# Below these the checkpoints of a run, or its decoded samples, soon have no room.
_LITTLE_DISK, _LITTLE_MEMORY = 2e9, 2e9


@dataclass(frozen=True)
class Point:
    """One thing looked at."""

    name: str
    # "ok", "note" (something optional is missing or slow), "fault" (recog cannot do its main job).
    state: str
    told: str
    # The command or step that mends it.
    mend: str = ""


@dataclass(frozen=True)
class Part:
    """A package, its requirement in pyproject.toml, and what it is for; `needed` where nothing works without."""

    module: str
    requirement: str
    purpose: str
    needed: bool = False


PARTS = (
    Part("torch", "torch>=2.8,<2.14", "networks", needed=True),
    Part("numpy", "numpy>=2.0", "everything", needed=True),
    Part("av", "av>=14", "reading recordings", needed=True),
    Part("PIL", "pillow>=11", "reading pictures", needed=True),
    Part("jiwer", "jiwer>=4.0", "counting errors", needed=True),
    Part("rapidfuzz", "rapidfuzz>=3.0", "where texts differ", needed=True),
    Part("safetensors", "safetensors>=0.5", "reading bundles", needed=True),
    Part("tqdm", "tqdm>=4.66", "progress bars", needed=True),
    Part("scipy", "scipy>=1.13", "page layout", needed=True),
    Part("lxml", "lxml>=5.2", "PAGE and ALTO files", needed=True),
    Part("pypdfium2", "pypdfium2>=5.0,<6", "PDF files"),
    Part("librosa", "librosa>=0.11", "parity tests of features"),
    Part("soundfile", "soundfile>=0.13", "corpora in FLAC"),
    Part("numba", "numba>=0.61", "fast beam search and language models (without: the same results, many times slower)"),
    Part("gradio", "gradio>=6.31,<7", "the front end, `recog app`"),
    Part("tensorboard", "tensorboard>=2.17", "TensorBoard events of a training"),
    Part("torchaudio", "torchaudio>=2.8", "fetching some corpora"),
)


def examine() -> Iterator[Point]:
    """All points, in the order of a report; the slow ones (bundles) last."""
    yield python()
    yield Point("recog", "ok", __version__)
    broken = False
    for part in PARTS:
        found = package(part)
        broken |= found.state == "fault"
        yield found
    looks: tuple[Callable[[], Iterator[Point]], ...] = (processor, gpu, room, codecs, bundles)
    for look in looks:
        if broken and look in (gpu, codecs, bundles):
            continue  # what is missing has been said
        yield from look()


def python() -> Point:
    """The interpreter."""
    told = f"{platform.python_version()} on {platform.platform(terse=True)}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Point("Python", "fault", told, "install Python 3.11 or newer and run recog with it")
    return Point("Python", "ok", told)


def package(part: Part) -> Point:
    """Whether a package is there and can be imported, which is not the same."""
    missing = "fault" if part.needed else "note"
    try:
        importlib.import_module(part.module)
    except ModuleNotFoundError as error:
        if part.module == "torchaudio" and _cpu_only():
            told = (
                "not installed, rightly: its wheel cannot be loaded beside a PyTorch without CUDA; recog does without"
            )
            return Point("torchaudio", "ok", told)
        if (error.name or "").split(".")[0] == part.module:
            return Point(part.module, missing, f"not installed; for {part.purpose}", install(part.requirement))
        return Point(part.module, missing, f"cannot be imported ({error}); for {part.purpose}", reinstall(part))
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        if part.module == "torchaudio":
            told = f"{_version(part.module)} is built for another PyTorch and cannot be imported ({reason}); recog does without"
            return Point("torchaudio", "note", told, f"{pip('uninstall --yes')} torchaudio")
        return Point(part.module, missing, f"cannot be imported ({reason}); for {part.purpose}", reinstall(part))
    return Point(part.module, "ok", _version(part.module))


def _cpu_only() -> bool:
    """Whether PyTorch is there and built without CUDA."""
    try:
        import torch
    except Exception:
        return False
    return torch.version.cuda is None


def _version(module: str) -> str:
    name = {"PIL": "pillow"}.get(module, module)
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def pip(what: str) -> str:
    """pip of this very interpreter."""
    return f"{sys.executable} -m pip {what}"


def install(requirement: str) -> str:
    """The command that installs a package."""
    return f'{pip("install")} "{requirement}"'


def reinstall(part: Part) -> str:
    """The command that replaces a broken package."""
    return f'{pip("install --force-reinstall --no-cache-dir")} "{part.requirement}"'


def processor() -> Iterator[Point]:
    """Cores, main memory, and the arithmetic in which they are fastest."""
    cores = os.cpu_count() or 1
    with contextlib.suppress(AttributeError):  # not on every system
        cores = len(os.sched_getaffinity(0))
    yield Point("CPU", "ok", f"{cores} cores of {platform.machine()}")
    with contextlib.suppress(ImportError):
        import torch

        from recog.estimate import gigabytes
        from recog.memory import free_bytes
        from recog.training.precision import choose

        free = free_bytes(torch.device("cpu"))
        if free is not None:
            little = free < _LITTLE_MEMORY
            mend = "close other programs, or train with --set data.memory_gigabytes=0.5 and smaller batches"
            yield Point("memory", "note" if little else "ok", f"{gigabytes(free)} free", mend if little else "")
        choice = choose("auto")
        yield Point("precision", "ok", f"trainings on the CPU take {choice.precision}: {choice.reason}")


def gpu() -> Iterator[Point]:
    """Whether PyTorch finds a GPU, and where one is there without being found, why."""
    import torch

    if torch.cuda.is_available():
        from recog.estimate import gigabytes

        for number in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(number)
            told = f"{properties.name}, {gigabytes(properties.total_memory)}, CUDA {torch.version.cuda}"
            yield Point("GPU", "ok", told)
        return
    driver = shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()
    if driver and torch.version.cuda is None:
        told = f"an NVIDIA driver is here, but PyTorch {torch.__version__} is built for the CPU alone"
        yield Point("GPU", "note", told, f'{pip("install --force-reinstall")} "torch>=2.8,<2.14"')
    elif driver:
        told = f"PyTorch is built for CUDA {torch.version.cuda}, which the NVIDIA driver here does not offer"
        yield Point("GPU", "note", told, "update the NVIDIA driver, then look at nvidia-smi")
    else:
        yield Point("GPU", "ok", f"none; PyTorch {torch.__version__} computes on the CPU")


def room() -> Iterator[Point]:
    """Disk space and write access, here and for temporary files."""
    for name, folder in (("this folder", Path.cwd()), ("temporary files", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free
        told = f"{folder}: {free / 1e9:.1f} GB free"
        try:
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".recog-"):
                pass
        except OSError as error:
            state = "fault" if name == "temporary files" else "note"
            mend = "set TMPDIR to a folder you may write to" if state == "fault" else "work in a folder of your own"
            yield Point(name, state, f"{folder} cannot be written ({error.strerror})", mend)
            continue
        little = free < _LITTLE_DISK
        yield Point(name, "note" if little else "ok", told, "make room: a run wants some gigabytes" if little else "")


# Codecs as FFmpeg names them, and the files that hold them.
CODECS = {
    "pcm_s16le": "wav",
    "flac": "flac",
    "mp3float": "mp3",
    "aac": "m4a, mp4",
    "opus": "opus, webm",
    "vorbis": "ogg",
    "alac": "m4a of Apple",
}


def codecs() -> Iterator[Point]:
    """Whether FFmpeg inside PyAV decodes what people have."""
    import av
    from av import library_versions

    absent = [f"{codec} ({files})" for codec, files in CODECS.items() if codec not in av.codecs_available]
    version = ".".join(map(str, library_versions.get("libavcodec", ())))
    if absent:
        told = f"FFmpeg in PyAV {av.__version__} cannot decode {', '.join(absent)}"
        yield Point("recordings", "note", told, f'{pip("install --force-reinstall")} "av>=14"')
    else:
        kinds = ", ".join(CODECS.values())
        yield Point("recordings", "ok", f"{kinds} (FFmpeg's libavcodec {version} in PyAV {av.__version__})")


def bundles() -> Iterator[Point]:
    """The bundles that come with recog: whether they load and read; without a single one nothing can be transcribed."""
    import torch

    from recog import checkpoint
    from recog.recognizer import DecodingOptions, Recognizer

    folders = sorted(path.parent for path in checkpoint.SHELF.glob("*/bundle.json"))
    good = 0
    for folder in folders:
        try:
            bundle = checkpoint.load(folder)
            Recognizer(bundle, DecodingOptions(beam=0, device="cpu")).recognise(
                [torch.zeros(50, bundle.frontend.features)]
            )
        except RecogError as error:
            yield Point(f"bundle {folder.name}", "note", str(error), "fetch it again: git checkout pipelines/bundles")
            continue
        good += 1
        model = "with" if bundle.language else "without"
        yield Point(
            f"bundle {folder.name}",
            "ok",
            f"{bundle.kind}, {len(bundle.alphabet) - 1} characters, {model} language model",
        )
    if not good:
        told = f"no bundle in {checkpoint.SHELF} can be used"
        yield Point("bundles", "fault", told, "git checkout pipelines/bundles, or name your own with --bundle")


def told(point: Point) -> str:
    """A line, and a second with what mends it."""
    sign = {"ok": "ok   ", "note": "note ", "fault": "FAULT"}[point.state]
    return f"{sign} {point.name}: {point.told}" + (f"\n        mend: {point.mend}" if point.mend else "")
