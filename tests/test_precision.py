"""In which arithmetic a training computes: by a clock once, then for the whole run."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from conftest import SPOKEN_TEXTS, TINY_NETWORK, TINY_SPEECH, draw_line, write_rows

from pipelines import rescoring, restoring, segmenting, training
from pipelines.training import SpeechTraining, train
from recog import manifest
from recog.alphabet import Alphabet
from recog.data import DataConfig
from recog.errors import CheckpointError, ConfigError
from recog.layout import marked
from recog.layout.network import SegmenterConfig
from recog.layout.varied import Variety
from recog.models.recurrent_lm import RecurrentLMConfig
from recog.models.tagger import TaggerConfig
from recog.training import precision
from recog.training.precision import Choice, choose
from recog.training.settings import FitConfig
from recog.training.state import origin

SETTINGS = SpeechTraining(
    frontend=TINY_SPEECH,
    network=TINY_NETWORK,
    data=DataConfig(batch_frames=300),
    fit=FitConfig(epochs=1, warmup_steps=2, average=0.5, save_minutes=1e9),
)


def clock(bf16: Sequence[float], fp32: Sequence[float]) -> Callable[[], float]:
    """A clock by which the products, in turns, take so long; the first of each is the one that warms up."""

    def ticks() -> Iterator[float]:
        now = 100.0
        for taken in itertools.chain.from_iterable(zip(bf16, fp32, strict=True)):
            yield now
            now += taken
            yield now
            now += 7.0  # between two products

    return ticks().__next__


@pytest.mark.parametrize(
    ("bf16", "fp32", "expected"),
    [
        ([9, 2, 2, 2, 2, 2], [1, 1, 1, 1, 1, 1], "fp32"),
        ([1, 1, 1, 1, 1, 1], [9, 2, 2, 2, 2, 2], "bf16"),
        # Within a tenth bf16 is taken.
        ([9, 1.09, 1.09, 1.09, 1.09, 1.09], [9, 1, 1, 1, 1, 1], "bf16"),
        ([9, 1.11, 1.11, 1.11, 1.11, 1.11], [9, 1, 1, 1, 1, 1], "fp32"),
        # The fastest of all counts, not the first one, and not what was disturbed.
        ([0.1, 8, 8, 8, 8, 2], [0.1, 8, 3, 8, 8, 8], "bf16"),
    ],
)
def test_the_faster_arithmetic_is_taken(bf16: list[float], fp32: list[float], expected: str) -> None:
    found = choose("auto", torch.device("cpu"), clock(bf16, fp32))
    assert found.precision == expected
    assert f"{1000 * min(bf16[1:]):.1f} ms in bf16 and {1000 * min(fp32[1:]):.1f} ms in fp32" in found.reason


def test_measuring_leaves_what_is_drawn_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    assert choose("auto").precision in ("bf16", "fp32")  # by the real clock
    assert torch.equal(torch.rand(4), expected)


def test_what_is_asked_for_is_not_measured() -> None:
    def never() -> float:
        raise AssertionError

    assert [choose(name, clock=never).precision for name in ("bf16", "fp32")] == ["bf16", "fp32"]
    with pytest.raises(ConfigError, match="precision is 'fp16'; choose one of auto, bf16, fp32"):
        choose("fp16", clock=never)
    with pytest.raises(KeyError):
        precision.arithmetic("auto", torch.device("cpu"))


@pytest.mark.parametrize(("able", "expected"), [(True, "bf16"), (False, "fp32")])
def test_a_gpu_takes_bf16_where_it_has_it(able: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: able or including_emulation)
    assert choose("auto", torch.device("cuda")).precision == expected


def measured(found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "choose", lambda *_: Choice(found, "measured"))


def test_a_run_keeps_what_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, out = write_rows(tmp_path / "rows", TINY_SPEECH, SPOKEN_TEXTS), tmp_path / "run"
    estimated, estimate = [], training.estimate

    def noted(*given: object) -> object:
        estimated.append(given[4].precision)  # type: ignore[attr-defined]
        return estimate(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "estimate", noted)
    measured("fp32", monkeypatch)
    train(SETTINGS, rows, rows, out)
    assert capsys.readouterr().err.count("precision: fp32 (measured)\n") == 1
    measured("bf16", monkeypatch)  # the machine is another one
    train(replace(SETTINGS, fit=replace(SETTINGS.fit, epochs=2)), rows, rows, out, resume=True)
    assert capsys.readouterr().err.count("precision: fp32 (as the run began)\n") == 1
    assert origin(out / "state.safetensors").precision == "fp32"
    assert json.loads((out / "settings.json").read_text())["fit"]["precision"] == "fp32"
    assert estimated == ["fp32", "fp32"]
    asked = replace(SETTINGS, fit=replace(SETTINGS.fit, epochs=3, precision="bf16"))
    with pytest.raises(CheckpointError, match=r'fit\.precision was "fp32" and is "bf16"'):
        train(asked, rows, rows, out, resume=True)


def test_a_deterministic_run_hangs_on_no_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured("bf16", monkeypatch)
    assert precision.decided(FitConfig(), tmp_path, False).precision == "bf16"
    assert precision.decided(FitConfig(deterministic=True), tmp_path, False).precision == "fp32"
    assert precision.decided(FitConfig(deterministic=True, precision="bf16"), tmp_path, False).precision == "bf16"


class Reached(Exception):  # noqa: N818 - no error
    """A training has come to its first step; what it computes in."""


def begin_segmenting(folder: Path) -> None:
    draw_line("a few words").resize((200, 100)).save(folder / "page.png")
    line = {"baseline": [[10, 60], [190, 60]], "polygon": [[10, 20], [190, 20], [190, 70], [10, 70]], "text": "a"}
    manifest.write(folder / "pages.jsonl", [{"image": "page.png", "lines": [line]}])
    config = segmenting.SegmentingConfig(steps=1, batch=1)
    shape, variety = SegmenterConfig((8, 8, 8, 8), 4), Variety(size_px=64)
    segmenting.train(marked.read(folder / "pages.jsonl"), folder / "out", config, shape, variety)


def begin_restoring(folder: Path) -> None:
    (folder / "t.txt").write_text("Anna sees Bert, but Bert walks home. " * 400 + "\n", encoding="utf-8")
    config, shape = restoring.RestoringConfig(updates=1, passage=10, batch=2), TaggerConfig(buckets=8)
    restoring.train([folder / "t.txt"], folder / "out", config, shape)


def begin_rescoring(folder: Path) -> None:
    (folder / "t.txt").write_text("abab\n" * 400, encoding="utf-8")
    config, shape = rescoring.RescoringConfig(updates=1, batch=50), RecurrentLMConfig(2, width=4, hidden=4)
    rescoring.train([folder / "t.txt"], folder / "out", Alphabet(tuple("ab")), "strict", config, shape)


@pytest.mark.parametrize("found", ["bf16", "fp32"])
@pytest.mark.parametrize(
    ("module", "begin"),
    [(segmenting, begin_segmenting), (restoring, begin_restoring), (rescoring, begin_rescoring)],
    ids=["segmenting", "restoring", "rescoring"],
)
def test_the_other_trainings_take_what_is_found(
    module: ModuleType,
    begin: Callable[[Path], None],
    found: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def reached(taken: str, _: torch.device) -> None:
        raise Reached(taken)

    monkeypatch.setattr(module, "choose", lambda wanted: Choice(found, f"measured for {wanted}"))
    monkeypatch.setattr(module, "arithmetic", reached)
    with pytest.raises(Reached, match=found):
        begin(tmp_path)
    assert f"precision: {found} (measured for auto)\n" in capsys.readouterr().err
