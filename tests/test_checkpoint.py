import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import TINY_HANDWRITING, TINY_SPEECH, random_bundle

from recog import checkpoint
from recog.checkpoint import Bundle
from recog.errors import CheckpointError

MARKS = " '-abc\u00e9\u2019\u20ac\U0001f600\"\\\n"


def described(folder: Path) -> dict[str, object]:
    return json.loads((folder / "bundle.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("frontend", [replace(TINY_SPEECH, kind="mfcc", deltas=2), TINY_HANDWRITING])
def test_round_trip(tmp_path: Path, frontend: checkpoint.Frontend) -> None:
    bundle = random_bundle(frontend, MARKS, "strict")
    checkpoint.save(bundle, tmp_path / "deep" / "b", card="# For people\n")
    loaded = checkpoint.load(tmp_path / "deep" / "b")
    assert (loaded.name, loaded.kind, loaded.frontend, loaded.alphabet, loaded.text_rule, loaded.provenance) == (
        bundle.name,
        bundle.kind,
        frontend,
        bundle.alphabet,
        "strict",
        {"seed": 0},
    )
    assert loaded.network.config == bundle.network.config
    assert not loaded.network.training
    for name, tensor in loaded.network.state_dict().items():
        kept = bundle.network.state_dict()[name]
        assert tensor.dtype == kept.dtype
        assert torch.equal(tensor, kept.half().float() if kept.is_floating_point() else kept)
    x = torch.randn(2, 30, frontend.features)
    with torch.no_grad():
        one, other = (each.network(x, torch.tensor([30, 17])).log_probs for each in (bundle, loaded))
    assert (one - other).abs().max() < 0.01  # float16 weights
    assert {path.name for path in (tmp_path / "deep" / "b").iterdir()} == {
        "network.safetensors",
        "bundle.json",
        "card.md",
    }
    assert (tmp_path / "deep" / "b" / "card.md").read_text() == "# For people\n"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["b"]


def test_a_second_round_trip_changes_nothing(tmp_path: Path) -> None:
    checkpoint.save(random_bundle(TINY_SPEECH, "ab", "spoken"), tmp_path / "a")
    checkpoint.save(checkpoint.load(tmp_path / "a"), tmp_path / "b")
    for name in ("network.safetensors", "bundle.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_nothing_is_pickled(random_speech_bundle: Path) -> None:
    assert described(random_speech_bundle)["format"] == 1
    head = (random_speech_bundle / "network.safetensors").read_bytes()[:8]
    size = struct.unpack("<Q", head)[0]
    assert size < 100_000  # safetensors: the length of a JSON header


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    checkpoint.save(random_bundle(TINY_SPEECH, "ab", "spoken"), tmp_path / "b")
    return tmp_path / "b"


def change(folder: Path, **settings: object) -> None:
    (folder / "bundle.json").write_text(json.dumps({**described(folder), **settings}), encoding="utf-8")


def drop(folder: Path, key: str) -> None:
    (folder / "bundle.json").write_text(json.dumps({k: v for k, v in described(folder).items() if k != key}))


DAMAGES = {
    "cut weights": lambda b: (b / "network.safetensors").write_bytes((b / "network.safetensors").read_bytes()[:-50]),
    "empty weights": lambda b: (b / "network.safetensors").write_bytes(b""),
    "no weights": lambda b: (b / "network.safetensors").unlink(),
    "garbage weights": lambda b: (b / "network.safetensors").write_bytes(b"\xff" * 500),
    "pickled weights": lambda b: torch.save({"x": torch.zeros(1)}, b / "network.safetensors"),
    "empty description": lambda b: (b / "bundle.json").write_text(""),
    "cut description": lambda b: (b / "bundle.json").write_text((b / "bundle.json").read_text()[:100]),
    "a list": lambda b: (b / "bundle.json").write_text("[]"),
    "not UTF-8": lambda b: (b / "bundle.json").write_bytes(b"\xff\xfe"),
    "no alphabet": lambda b: drop(b, "alphabet"),
    "no name": lambda b: drop(b, "name"),
    "no provenance": lambda b: drop(b, "provenance"),
    "a symbol more": lambda b: change(b, alphabet="abc"),
    "a symbol twice": lambda b: change(b, alphabet="aa"),
    "alphabet of none": lambda b: change(b, alphabet=""),
    "another kind": lambda b: change(b, kind="telepathy"),
    "another frontend": lambda b: change(b, kind="handwriting"),
    "frontend of nothing": lambda b: change(b, frontend=None),
    "network of nothing": lambda b: change(b, network=[]),
    "unknown setting": lambda b: change(b, network={"layerz": 3}),
    "other network": lambda b: change(b, network={"layers": 2, "rates": [1, 1]}),
    "unknown rule": lambda b: change(b, text_rule="shouted"),
    "format of a word": lambda b: change(b, format="two"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_bundles_are_refused_in_one_sentence(saved: Path, damage: str) -> None:
    DAMAGES[damage](saved)
    with pytest.raises(CheckpointError, match=r"is damaged \(.+\); fetch or train it again$") as caught:
        checkpoint.load(saved)
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_newer_format_is_refused(saved: Path) -> None:
    change(saved, format=2, frontend={"from the future": 1})
    with pytest.raises(CheckpointError, match="has format 2; this recog reads up to 1: update recog"):
        checkpoint.load(saved)


def test_missing_bundles_are_refused_with_those_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SHELF", tmp_path / "shelf")
    for name in ("nowhere", tmp_path, ""):
        with pytest.raises(CheckpointError, match=r"is not a bundle: .* bundles that come with recog: none$"):
            checkpoint.load(name)
    checkpoint.save(random_bundle(TINY_SPEECH, "ab", "spoken"), tmp_path / "shelf" / "speech-x")
    with pytest.raises(CheckpointError, match=r"bundles that come with recog: speech-x$"):
        checkpoint.load("nowhere")
    assert checkpoint.load("speech-x").name == "random-audio"
    assert checkpoint.find("speech-x") == tmp_path / "shelf" / "speech-x"


def other_bundle() -> Bundle:
    return replace(random_bundle(TINY_SPEECH, "ab", "spoken", seed=1), name="new")


@pytest.mark.parametrize("step", ["save_file", "_replace"])
def test_a_save_that_breaks_leaves_the_old_bundle_whole(
    saved: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(checkpoint, step, full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(other_bundle(), saved)
    assert checkpoint.load(saved).name == "random-audio"
    assert [path.name for path in saved.parent.iterdir()] == ["b"]  # no half-written rest


def test_a_crash_between_the_last_two_steps_leaves_the_old_bundle_to_be_found(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved, rename = [], Path.rename

    def crash_at_second(source: Path, target: Path) -> None:
        moved.append(source)
        if len(moved) == 2:
            raise KeyboardInterrupt
        rename(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", crash_at_second)
        checkpoint.save(other_bundle(), saved)
    assert not saved.exists()
    assert checkpoint.load(saved).name == "random-audio"
    checkpoint.save(other_bundle(), saved)
    assert checkpoint.load(saved).name == "new"
    assert [path.name for path in saved.parent.iterdir()] == ["b"]


def test_saving_replaces_a_bundle_and_nothing_else(saved: Path, tmp_path: Path) -> None:
    checkpoint.save(other_bundle(), saved)
    assert checkpoint.load(saved).name == "new"
    documents = tmp_path / "documents"
    documents.mkdir()
    checkpoint.save(other_bundle(), documents)  # empty: nothing to lose
    thesis = tmp_path / "work" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years")
    for target in (thesis.parent, thesis):
        with pytest.raises(CheckpointError, match="holds something that is no bundle"):
            checkpoint.save(other_bundle(), target)
    assert thesis.read_text() == "years"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_weights_that_are_no_numbers_are_not_saved(saved: Path, value: float) -> None:
    bundle = other_bundle()
    with torch.no_grad():
        bundle.network.output.bias[0] = value  # 1e6 is beyond float16
    with pytest.raises(CheckpointError, match="some weights are not finite in float16"):
        checkpoint.save(bundle, saved)
    assert checkpoint.load(saved).name == "random-audio"
