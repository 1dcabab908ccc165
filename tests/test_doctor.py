"""`recog doctor`: each thing that can be wrong is made wrong, and must be named with what mends it."""

import importlib
import json
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from pipelines import doctor
from pipelines.cli import main
from pipelines.environment import ROOT
from recog import checkpoint
from recog.training import precision

PARTS = {part.module: part for part in doctor.PARTS}


def break_import(monkeypatch: pytest.MonkeyPatch, module: str, error: Exception) -> None:
    real = importlib.import_module

    def import_module(name: str) -> ModuleType:
        if name == module:
            raise error
        return real(name)

    monkeypatch.setattr(importlib, "import_module", import_module)


def test_the_requirements_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [one for name in ("app", "train", "lm") for one in project["optional-dependencies"][name]]
    assert {part.requirement for part in doctor.PARTS if part.needed} <= set(project["dependencies"])
    assert {part.requirement for part in doctor.PARTS} == {*project["dependencies"], *extras}


@pytest.mark.parametrize(("module", "state"), [("torch", "fault"), ("gradio", "note")])
def test_a_missing_package_comes_with_the_command(module: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_import(monkeypatch, module, ModuleNotFoundError(f"No module named {module!r}", name=module))
    point = doctor.package(PARTS[module])
    assert (point.name, point.state) == (module, state)
    assert point.told.startswith("not installed; for ")
    assert point.mend == f'{sys.executable} -m pip install "{PARTS[module].requirement}"'


def test_a_broken_package_is_told_from_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    break_import(monkeypatch, "numba", ImportError("Numba needs NumPy 2.4 or less"))
    point = doctor.package(PARTS["numba"])
    assert point.state == "note" and "cannot be imported (Numba needs NumPy 2.4 or less)" in point.told
    assert "--force-reinstall" in point.mend and point.mend.endswith('"numba>=0.61"')
    break_import(monkeypatch, "jiwer", ModuleNotFoundError("No module named 'rapidfuzz'", name="rapidfuzz"))
    assert "rapidfuzz" in doctor.package(PARTS["jiwer"]).told


def test_torchaudio_that_was_built_for_another_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    break_import(monkeypatch, "torchaudio", OSError("libcudart.so.13: cannot open shared object file"))
    point = doctor.package(PARTS["torchaudio"])
    assert point.state == "note" and "built for another PyTorch" in point.told and "libcudart.so.13" in point.told
    assert point.mend == f"{sys.executable} -m pip uninstall --yes torchaudio"


def test_torchaudio_is_not_recommended_where_it_could_not_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    break_import(monkeypatch, "torchaudio", ModuleNotFoundError("No module named 'torchaudio'", name="torchaudio"))
    monkeypatch.setattr(torch.version, "cuda", None)
    point = doctor.package(PARTS["torchaudio"])
    assert (point.state, point.mend) == ("ok", "")
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    assert doctor.package(PARTS["torchaudio"]).mend.endswith('pip install "torchaudio>=2.8"')


def test_the_faster_arithmetic_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "fastest", lambda _: {"bf16": 0.02, "fp32": 0.01})
    (point,) = [point for point in doctor.processor() if point.name == "precision"]
    told = "trainings on the CPU take fp32: a matrix product takes this processor 20.0 ms in bf16 and 10.0 ms in fp32"
    assert (point.state, point.told) == ("ok", told)


def test_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (3, 99))
    assert doctor.python().state == "fault" and doctor.python().mend.startswith("install Python 3.11")


def test_a_gpu_that_pytorch_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(torch.version, "cuda", None)
    (point,) = doctor.gpu()
    assert point.state == "note" and "built for the CPU alone" in point.told and "pip install" in point.mend
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    (point,) = doctor.gpu()
    assert "CUDA 12.8, which the NVIDIA driver here does not offer" in point.told and "driver" in point.mend


def test_a_gpu_is_named_with_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    built = SimpleNamespace(name="Built 1", total_memory=24e9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: built)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    (point,) = doctor.gpu()
    assert (point.state, point.told) == ("ok", "Built 1, 24 GB, CUDA 12.8")


def test_a_full_disk_and_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=0.5e9))
    assert [(point.state, "0.5 GB free" in point.told) for point in doctor.room()] == [("note", True)] * 2

    def refuse(**given: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    here, temporary = doctor.room()
    assert here.state == "note" and "cannot be written (Permission denied)" in here.told
    assert temporary.state == "fault" and "TMPDIR" in temporary.mend


def test_codecs_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [point.state for point in doctor.codecs()] == ["ok"]
    monkeypatch.setitem(doctor.CODECS, "no-such-codec", "xyz")
    (point,) = doctor.codecs()
    assert point.state == "note" and "no-such-codec (xyz)" in point.told


def test_bundles_are_loaded_and_read(
    random_speech_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SHELF", tmp_path)
    (point,) = doctor.bundles()
    assert point.state == "fault" and "no bundle in" in point.told and "--bundle" in point.mend
    shutil.copytree(random_speech_bundle, tmp_path / "good")
    shutil.copytree(random_speech_bundle, tmp_path / "bad")
    (tmp_path / "bad" / "network.safetensors").write_bytes(b"nothing")
    bad, good = doctor.bundles()
    assert (bad.name, bad.state, good.name, good.state) == ("bundle bad", "note", "bundle good", "ok")
    assert "is damaged" in bad.told and good.told == "speech, 5 characters, without language model"


def test_the_command_gives_1_for_a_fault_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [doctor.Point("a", "ok", "fine"), doctor.Point("b", "note", "gone", "fetch b")]
    monkeypatch.setattr(doctor, "examine", lambda: iter(points))
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "note  b: gone\n        mend: fetch b\n" in printed
    assert printed.endswith("0 faults, 1 notes: recordings and pictures can be transcribed here\n")
    points.append(doctor.Point("c", "fault", "broken", "mend c"))
    assert main(["doctor", "--json", str(tmp_path / "d.json")]) == 1
    assert capsys.readouterr().out.endswith("1 faults, 1 notes\n")
    assert [one["state"] for one in json.loads((tmp_path / "d.json").read_text())] == ["ok", "note", "fault"]


def test_what_needs_a_missing_package_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PARTS", (PARTS["torch"],))
    break_import(monkeypatch, "torch", ModuleNotFoundError("No module named 'torch'", name="torch"))
    names = [point.name for point in doctor.examine()]
    assert "torch" in names and "CPU" in names
    assert not {"GPU", "recordings", "bundles"} & set(names)
