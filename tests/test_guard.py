"""Failures that nobody foresaw, on the page."""

# ruff: noqa: E402 - without gradio this file is skipped before the imports that need it
import asyncio
import json
import logging
from collections.abc import Callable

import pytest

gr = pytest.importorskip("gradio", reason="the page needs gradio: pip install 'recog[app]'")

from pipelines.web import guard, log
from pipelines.web.guard import GuardedBlocks
from pipelines.web.limits import refusal
from pipelines.web.work import StoppedError

# Gradio leaves event loops to the garbage collector.
pytestmark = [pytest.mark.usefixtures("uploads"), pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]


def act(action: Callable[[], str]) -> str:
    """What a page shows whose only button does that."""
    with GuardedBlocks(analytics_enabled=False) as page:
        gr.Button().click(action, None, gr.Markdown())
    return str(asyncio.run(page.process_api(next(iter(page.fns)), [], state=None))["data"][0])


def failing(error: Exception) -> Callable[[], str]:
    def action() -> str:
        raise error

    return action


def test_what_was_not_foreseen_is_told_in_a_sentence_and_logged_without_its_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard._LOG, "handlers", [log.Lines()])
    monkeypatch.setattr(guard._LOG, "propagate", False)
    assert act(lambda: "done") == "done"
    for error in (ValueError("my diary"), MemoryError(), OSError(28, "no space", "/home/anna/diary")):
        with pytest.raises(gr.Error) as caught:
            act(failing(error))
        assert caught.value.message == f"{guard.SENTENCE}." and not caught.value.print_exception
        line = json.loads(capsys.readouterr().err)
        assert (line["level"], line["failure"]) == ("error", type(error).__name__)
        assert line["where"].split(":")[0].endswith("test_guard") and "diary" not in json.dumps(line)


def test_refusals_are_told_as_they_are_and_a_stop_not_at_all(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, guard.__name__):
        with pytest.raises(gr.Error) as caught:
            act(failing(refusal("There is no picture")))
        assert caught.value.message == "There is no picture."
        with pytest.raises(gr.Error) as caught:
            act(failing(StoppedError()))
        assert not caught.value.visible
    assert not [record for record in caplog.records if record.name == guard.__name__]
