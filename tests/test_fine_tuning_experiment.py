"""The fine-tuning experiment on a tiny recogniser: the source is left out of the base, and smaller sets lie in larger ones."""

import itertools
import json
import sys
from pathlib import Path

import pytest
from conftest import TINY_SPEECH, write_rows
from test_ablation import PRESET

from pipelines import training
from recog import checkpoint, manifest
from recog.errors import TrainingError
from recog.evaluation import evaluate
from recog.recognizer import Recognizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts" / "experiments"))
import fine_tuning

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
import train_lm

TEXTS = ["ab", "cab", "a cad", "bad dab", "dad", "abba", "a dab", "cd ab", "bc", "da", "ca da"]


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "tiny.toml").write_text(PRESET, encoding="utf-8")
    rows = manifest.read(write_rows(tmp_path / "all", TINY_SPEECH, TEXTS))
    own = [{**row.fields, "audio": str(row.path), "source": ("theirs", "own")[n > 3]} for n, row in enumerate(rows)]
    manifest.write(tmp_path / "train.jsonl", own)
    parts = [{**row, "part": ("tune", "report")[number % 2]} for number, row in enumerate(own)]
    manifest.write(tmp_path / "dev.jsonl", parts)
    given = ["--train", str(tmp_path / "train.jsonl"), "--dev", str(tmp_path / "dev.jsonl"), "--source", "own"]
    short = ["--set", "fit.epochs=1", "--set", "fit.stop_after=0", "--lines", "5", "7", "99"]
    return [str(tmp_path / "tiny.toml"), *given, *short, "--out", str(tmp_path / "out")]


def texts(path: Path) -> set[str]:
    return {row.text for row in manifest.read(path)}


def test_the_base_has_not_seen_the_source_and_smaller_sets_lie_in_larger_ones(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, train = [], training.train

    def ended(settings: object, *given: object, **more: object) -> object:
        runs.append((Path(str(given[2])).parent.name, given[3]))
        if len(runs) == 2:
            raise TrainingError("stopped by SIGTERM")
        return train(settings, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "train", ended)
    assert fine_tuning.main(arguments) == 1
    assert "fine_tuning: stopped by SIGTERM" in capsys.readouterr().err
    assert fine_tuning.main(arguments) == 0  # goes on: the base is there already
    assert runs == [("out", False), ("lines-5", False), ("out", True), ("lines-5", False), ("lines-7", False)]
    out = tmp_path / "out"
    assert texts(out / "base" / "train.jsonl") == set(TEXTS[:4])
    assert texts(out / "base" / "dev.jsonl") == {TEXTS[0], TEXTS[2]}
    five, seven = (
        [texts(out / name / file) for file in ("train.jsonl", "dev.jsonl")] for name in ("lines-5", "lines-7")
    )
    assert [len(one) for one in (*five, *seven)] == [4, 1, 6, 1]
    # Words are placed by the base, which is no wiser than the table says.
    assert "words" in manifest.read(out / "lines-7" / "train.jsonl")[0].fields
    assert five[0] < seven[0] and five[1] == seven[1] and seven[0] | seven[1] == set(TEXTS[4:])
    rows = json.loads((out / "results.json").read_text())
    assert [row["lines"] for row in rows] == [0, 5, 7]
    greedy = [row["greedy"] for row in rows]
    assert [one["gain"] for one in greedy] == pytest.approx([1 - one["cer"] / greedy[0]["cer"] for one in greedy])
    assert [row["model"] for row in rows] == [None] * 3
    assert [(row["draw"], row["pages"]) for row in rows] == [("lines", 0), ("lines", 1), ("lines", 1)]
    assert "99 lines left out: the source has 7" in capsys.readouterr().err


def test_all_bundles_read_with_a_language_model_too(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("\n".join(TEXTS[:4] * 3) + "\n", encoding="utf-8")
    options = ["--unit", "character", "--order", "3", "--out", str(tmp_path / "c.lm")]
    assert train_lm.main([str(text), *options]) == 0
    assert fine_tuning.main([*arguments, "--characters", str(tmp_path / "c.lm")]) == 0
    table = [line.split(" | ")[2] for line in capsys.readouterr().out.splitlines() if "%" in line and "|" in line]
    assert table[1:] == ["greedy", "with the model"] * 3
    for row in json.loads((tmp_path / "out" / "results.json").read_text()):
        folder = "base-with-model" if not row["lines"] else f"lines-{row['lines']}/with-model"
        recognizer = Recognizer(checkpoint.load(tmp_path / "out" / folder))
        assert recognizer.bundle.language is not None
        report = [one for one in manifest.read(tmp_path / "dev.jsonl") if one.fields["part"] == "report"]
        own = [one for one in report if one.fields["source"] == "own"]
        assert row["model"]["cer"] == evaluate(recognizer, own).scores().characters.rate


def test_whole_pages_are_drawn_one_after_another_and_the_last_ones_choose(tmp_path: Path) -> None:
    fields = [{"image": f"{n}.png", "text": "a", "page": f"p{n % 4}", "words": []} for n in range(20)]
    manifest.write(tmp_path / "rows.jsonl", fields)
    rows = manifest.read(tmp_path / "rows.jsonl")
    own = fine_tuning.drawn(rows, "pages", 1)
    assert own == fine_tuning.drawn(list(rows), "pages", 1) != fine_tuning.drawn(rows, "pages", 2)
    pages = [fine_tuning.page(row) for row in own]
    assert sorted(set(pages)) == ["p0", "p1", "p2", "p3"]
    assert [pages[start : start + 5] for start in range(0, 20, 5)] == [[page] * 5 for page in pages[::5]]
    learnt, chooses = fine_tuning.halves(own[:10], "pages")
    assert (learnt, chooses) == (own[:8], own[8:10])
    learnt, chooses = fine_tuning.halves(own[:10], "lines")
    assert chooses == [own[4], own[9]] and {row.id for row in learnt}.isdisjoint(row.id for row in chooses)
    assert "words" not in fine_tuning.unplaced(rows[0]).fields
    assert len({fine_tuning.page(row) for row in fine_tuning.drawn(rows, "lines", 1)[:5]}) > 1


def test_a_source_that_is_not_there_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments[arguments.index("own")] = "nobody"
    assert fine_tuning.main(arguments) == 1
    assert "source 'nobody': 0 rows to tune on and 0 to report on" in capsys.readouterr().err


def test_the_documented_recipe_is_the_scripts() -> None:
    documented = (Path(__file__).resolve().parents[1] / "docs" / "fine-tuning.md").read_text(encoding="utf-8")
    recipe = next(block for block in documented.split("```") if "recog train" in block).split()
    told = {after for before, after in itertools.pairwise(recipe) if before == "--set"}
    assert told - {"data.weights={mine=10}"} == {*fine_tuning.RECIPE, *fine_tuning.VARIED["handwriting"]}
