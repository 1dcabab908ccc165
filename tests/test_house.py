"""The architecture, read off the source: imports point down, walls stand, files stay small, presets load."""

import ast
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pipelines import training

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("recog", "pipelines")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
# What only faces, tests and the language model tools may need, and what is no part of recog at all.
FOREIGN = {"gradio", "fastapi", "uvicorn", "torchaudio", "pipelines", "transformers", "pytest"}
# Files and folders that decide, count and read text: they work without PyTorch and start at once.
TORCHLESS = (
    "recog.errors",
    "recog.text",
    "recog.alphabet",
    "recog.manifest",
    "recog.config",
    "recog.metrics",
    "recog.ctc",
    "recog.lm",
    "recog.formats",
)
MODELS_KNOW = {
    "recog.compile",
    "recog.errors",
    "recog.models",
    "numpy",
    "torch",
    "dataclasses",
    "collections",
    "concurrent",
    "contextlib",
    "itertools",
    "math",
    "os",
    "threading",
    "typing",
}
LONGEST_FILE, LONGEST_FUNCTION = 450, 60
# A page of the interface is laid out in one piece.
LONGEST_LAYOUT = 80


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def statements(tree: ast.AST, at_start: bool) -> Iterator[ast.AST]:
    """All nodes, or those that run when the module is imported (not "for typing", not within functions)."""
    for node in ast.iter_child_nodes(tree):
        if at_start and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if at_start and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from statements(node, at_start)


@functools.cache
def imports(module: str, at_start: bool = False) -> set[str]:
    """The modules that a module imports; `from a import b` counts as a.b where that is a module, else as a."""
    found = set()
    for node in statements(MODULES[module], at_start):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in MODULES else str(node.module))
    return found


def reach(module: str) -> set[str]:
    """What importing a module imports in the end, outside packages included; parent packages run too."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        parents = [name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)]
        for one in (name, *parents):
            if one not in seen:
                seen.add(one)
                if one in MODULES:
                    waiting.extend(imports(one, at_start=True))
    return seen


def within(module: str, places: Iterable[str]) -> bool:
    return any(module == place or module.startswith(place + ".") for place in places)


def test_the_reader_of_imports_sees_what_is_there() -> None:
    assert {"recog.checkpoint", "recog.training.gradient", "torch"} <= imports("recog.trainer")
    assert "av" in imports("recog.audio.reading")
    assert "av" not in imports("recog.audio.reading", at_start=True)
    assert "torch" in reach("recog.trainer")
    assert {"recog.models.layers", "recog.alphabet"} <= reach("pipelines.training")


@pytest.mark.parametrize("module", MODULES)
def test_no_import_circle(module: str) -> None:
    # Not even through imports within functions or "for typing".
    seen, waiting = set(), [name for name in imports(module) if name in MODULES and name != module]
    lazy_face = {"recog"}  # its names are loaded when first used
    while waiting:
        name = waiting.pop()
        assert name != module or module in lazy_face, f"{module} is imported by what it imports"
        if name not in seen | lazy_face:
            seen.add(name)
            waiting.extend(one for one in imports(name) if one in MODULES)


# `python -m recog` is a door, not a part of the library.
@pytest.mark.parametrize("module", [m for m in MODULES if within(m, ["recog"]) and m != "recog.__main__"])
def test_the_library_stands_without_its_faces(module: str) -> None:
    foreign = {name for name in imports(module) if name.split(".")[0] in FOREIGN}
    assert not foreign
    if module != "recog":
        assert "recog" not in imports(module), "the public face is for users alone"


@pytest.mark.parametrize("module", [m for m in MODULES if within(m, TORCHLESS) and m != "recog.ctc.loss"])
def test_text_and_decoding_need_no_torch(module: str) -> None:
    assert not {name for name in reach(module) if name.split(".")[0] in ("torch", "torchaudio", "safetensors")}


@pytest.mark.parametrize("module", [module for module in MODULES if within(module, ["recog.models"])])
def test_models_know_no_alphabet_sound_or_decoder(module: str) -> None:
    assert all(within(name, MODELS_KNOW) for name in imports(module)), imports(module)


@pytest.mark.parametrize("module", [module for module in MODULES if within(module, ["recog.ctc", "recog.lm"])])
def test_decoders_know_no_network_or_samples(module: str) -> None:
    above = ("recog.models", "recog.checkpoint", "recog.frontend", "recog.audio", "recog.image", "recog.recognizer")
    assert not {name for name in reach(module) if within(name, above)}


@pytest.mark.parametrize("module", [module for module in MODULES if not within(module, ["pipelines.web"])])
def test_only_the_web_face_knows_the_web(module: str) -> None:
    assert not {name for name in imports(module) if name.split(".")[0] in ("gradio", "fastapi", "uvicorn")}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_stay_small(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) < LONGEST_FILE
    for node in ast.walk(MODULES[name_of(path)]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            described = ast.get_docstring(node) is not None
            first = (node.body[0].end_lineno or 0) if described else node.lineno - 1
            code = [line for line in lines[first : node.end_lineno] if line.strip() and line.strip()[0] != "#"]
            limit = LONGEST_LAYOUT if "web" in path.parts else LONGEST_FUNCTION
            assert len(code) <= limit, node.name


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_pickled_or_evaluated(module: str) -> None:
    assert not imports(module) & {"pickle", "dill", "joblib", "shelve", "marshal"}
    called = {ast.unparse(node.func) for node in ast.walk(MODULES[module]) if isinstance(node, ast.Call)}
    assert not called & {"eval", "exec", "torch.load", "torch.save", "os.system"}


def test_public_names_exist() -> None:
    import recog

    assert {name for name in recog.__all__ if getattr(recog, name) is not None} == set(recog.__all__)
    with pytest.raises(AttributeError, match="has no name 'Recogniser'"):
        _ = recog.Recogniser


PRESETS = sorted((ROOT / "scripts" / "presets").glob("*.toml"))


def test_there_is_a_preset_for_each_kind() -> None:
    assert {training.settings(path).kind for path in PRESETS} == {"speech", "handwriting"}


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_each_preset_loads(path: Path) -> None:
    settings = training.settings(path)
    assert settings.name
    assert len(settings.network.channels) == len(settings.network.strides_time)
