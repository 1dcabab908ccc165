"""The guided notebook runs from top to bottom, and its own assertions hold."""

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
NOTEBOOK = json.loads((DOCS / "from-1997-to-here.ipynb").read_text(encoding="utf-8"))


def test_every_step_of_the_notebook_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(DOCS)
    names: dict[str, object] = {}
    steps = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert len(steps) > 8
    for cell in steps:
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    said = capsys.readouterr().out
    assert "P(ab) = 0.5070" in said  # 0.7 0.3 0.6 + 0.7 0.3 0.3 and so on, by hand
    assert "with a word model:   we read the letter" in said


def test_the_notebook_is_committed_without_results() -> None:
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in NOTEBOOK["cells"])
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])


def test_the_reading_list_names_files_that_exist() -> None:
    text = (DOCS / "reading-list.md").read_text(encoding="utf-8")
    places = re.findall(r"`((?:recog|pipelines|scripts|docs)/[\w./-]+)`", text)
    assert len(places) > 15
    missing = [place for place in places if not (DOCS.parent / place).exists()]
    assert not missing
