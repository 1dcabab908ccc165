# ruff: noqa: E402 - without gradio this file is skipped before the imports that need it
import csv
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
from conftest import SPOKEN_TEXTS, TINY_SPEECH, WRITTEN_TEXTS, draw_line, spell_wave

gr = pytest.importorskip("gradio", reason="the page needs gradio: pip install 'recog[app]'")

from pipelines import comparison, pairing
from pipelines.handwriting import HandwritingPipeline
from pipelines.speech import SpeechPipeline
from pipelines.transcript import SpeechTranscript
from pipelines.web import measure
from pipelines.web.limits import Limits
from pipelines.web.measure import MeasureTab
from pipelines.web.once import Once
from pipelines.web.work import StoppedError

pytestmark = [pytest.mark.usefixtures("uploads"), pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]


def tab(
    speech: Path | str = "nowhere", handwriting: Path | str = "nowhere", limits: Limits | None = None
) -> MeasureTab:
    with gr.Blocks(analytics_enabled=False):
        return MeasureTab(
            Once(lambda: SpeechPipeline.load(speech)),
            Once(lambda: HandwritingPipeline.load(handwriting)),
            limits or Limits(),
        )


def shown(lines: str) -> list[str]:
    """The lines as they read without their colours."""
    return [re.sub(r"<[^>]*>", "", line.replace("<br>", " | ")) for line in re.findall(r"<p><b>.*?</p>", lines)]


def refused(call: Any, *arguments: Any) -> str:
    with pytest.raises(gr.Error) as caught:
        call(*arguments)
    return str(caught.value.message)


def test_two_texts_are_measured_without_any_recogniser() -> None:
    summary, rates, lines, words, characters, by_line, by_unit, plots = tab().measure(
        None, "one\nthe <b> cat", "one\na <b> cat sat", "", True
    )
    assert summary.startswith(
        "2 lines counted under text rule strict: every sign counts, case, punctuation and accents too."
    )
    assert rates[0] == ["Words (WER)", "50.0 %", rates[0][2], "1", "0", "1", "4"]
    assert rates[1][0] == "Characters (CER)"
    assert shown(lines) == [
        "line 2 WER 66.7 %, CER 63.6 % | the→a &lt;b&gt; cat +sat",
        "line 1 WER 0.0 %, CER 0.0 % | one",
    ]
    assert words == [["(nothing)", "sat", 1], ["the", "a", 1]]
    assert ["(nothing)", "␣", 1] in characters
    path = Path(by_line.value["path"])
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")  # or a spreadsheet would not know it for UTF-8
    assert [row["name"] for row in csv.DictReader(path.open(encoding="utf-8-sig"))] == ["line 1", "line 2"]
    assert Path(by_unit.value["path"]).name == "confusions.csv"
    # Lines with 7 and 0 of 7 errors in 11 and 3 letters: the worst first, and all errors in the first.
    rates_of_lines = re.findall(r"<title> ([\d.]+) at (\d)</title>", plots.value)
    assert rates_of_lines == [("63.64", "1"), ("0", "2")]
    (line,) = re.findall(r'points="([^"]*)"', plots.value)[1:]
    # From none to 100 % at one line of two, and on to the right edge.
    assert line == "48.0,226.0 298.0,34.0 548.0,34.0"


def test_the_order_and_the_rule_are_the_users() -> None:
    given = tab().measure(None, "a.\nB c", "a\nb d", "spoken", False)
    assert shown(given[2]) == ["line 1 WER 0.0 %, CER 0.0 % | a", "line 2 WER 50.0 %, CER 33.3 % | b c→d"]
    assert "text rule spoken" in given[0]


def test_errors_are_told_by_more_than_colour() -> None:
    edits = comparison.align(["a", "b", "c"], ["a", "x", "c", "d"]) + comparison.align(["e"], [])
    told = [measure.marked_edit(edit) for edit in edits]
    assert [re.sub("<[^>]*>", "", one) for one in told] == ["a", "b→x", "c", "+d", "−e"]
    assert ['title="' in one for one in told] == [False, True, False, True, True]
    assert "<del>b</del>" in told[1] and "<ins>x</ins>" in told[1] and "<del>e</del>" in told[4]


def test_files_are_read_as_the_other_tabs_read_them(
    trained_speech_bundle: Path, trained_handwriting_bundle: Path, tmp_path: Path
) -> None:
    rate = TINY_SPEECH.rate_hz
    soundfile.write(tmp_path / "a.wav", spell_wave(SPOKEN_TEXTS[1], rate), rate)
    (tmp_path / "a.txt").write_text("Dab, d", encoding="utf-8")
    (tmp_path / "broken.wav").write_text("no sound")
    draw_line(WRITTEN_TEXTS[4]).save(tmp_path / "b.png")
    rows = [{"image": "b.png", "text": WRITTEN_TEXTS[4]}, {"audio": "broken.wav", "text": "cab"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    measuring = tab(trained_speech_bundle, trained_handwriting_bundle)
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    summary, _, lines, *_ = measuring.measure(files, "", "", "spoken", False)
    first, broken, last = shown(lines)
    assert first == "b.png WER 0.0 %, CER 0.0 % | add"
    assert re.fullmatch(r"broken\.wav could not be read: broken\.wav is not a recording .+ \| −cab", broken)
    assert last == "a.wav WER 50.0 %, CER 20.0 % | dab d→c"
    assert "1 could not be read, and counts as empty." in summary
    # Without a rule of the user's, the recogniser's own counts.
    sound = [str(tmp_path / name) for name in ("a.wav", "a.txt")]
    assert "text rule spoken" in measuring.measure(sound, "", "", "", True)[0]
    picture = [str(tmp_path / name) for name in ("b.png", "rows.jsonl")]
    found = measuring.measure(picture, "", "", "", True)[0]
    assert "text rule strict" in found and "Left out: 1 row of rows.jsonl, without a file that came." in found


def test_figures_are_compared_as_the_words_that_were_said_unless_it_counts_how_they_are_written(
    monkeypatch: pytest.MonkeyPatch, random_speech_bundle: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        SpeechPipeline, "__call__", lambda *_: SpeechTranscript("25 men", (), 1.0, spoken="twenty five men")
    )
    soundfile.write(tmp_path / "a.wav", spell_wave("a", 8000), 8000)
    (tmp_path / "a.txt").write_text("Twenty-five men")
    files, measuring = [str(tmp_path / "a.wav"), str(tmp_path / "a.txt")], tab(random_speech_bundle)
    assert [shown(measuring.measure(files, "", "", rule, True)[2]) for rule in ("", "spoken", "strict")] == [
        ["a.wav WER 0.0 %, CER 0.0 % | twenty five men"],
        ["a.wav WER 0.0 %, CER 0.0 % | twenty five men"],
        ["a.wav WER 50.0 %, CER 73.3 % | Twenty-five→25 men"],
    ]


def test_what_cannot_be_measured_is_refused_in_a_sentence(tmp_path: Path) -> None:
    assert refused(tab().measure, None, " ", "\n", "", True).startswith("There is nothing to measure yet")
    assert refused(tab().measure, [], "a\nb", "a", "", True).startswith(
        "2 lines of references and 1 of hypotheses came;"
    )
    draw_line("a").save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("a")
    both = [str(tmp_path / "a.png"), str(tmp_path / "a.txt")]
    # A bundle that is missing is no fault of the file.
    assert refused(tab().measure, both, "", "", "", True).startswith("nowhere is not a bundle")
    assert tab().empty()[:4] == ["", "", [], measure.region(measure.EMPTY)]


def test_a_picture_over_the_limit_is_not_read(tmp_path: Path) -> None:
    draw_line("a").resize((90, 40)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("a")
    paths = [tmp_path / "a.png", tmp_path / "a.txt"]
    [pair] = pairing.files(paths, tab(limits=Limits(megapixels=0.001)).recognise).pairs
    assert pair.failure == "a.png has 90 x 40 pixels; make it smaller than 0.001 megapixels, the limit"


def test_long_lists_are_shown_in_part_and_kept_whole() -> None:
    many = "\n".join(f"word{number}" for number in range(250))
    _, _, lines, words, _, by_line, *_ = tab().measure(None, many, many.replace("word", "ward"), "", False)
    assert len(shown(lines)) == 200 and "50 more lines are in the file." in lines
    assert len(words) == 100
    assert len(Path(by_line.value["path"]).read_text(encoding="utf-8-sig").splitlines()) == 251


def test_measuring_many_files_tells_how_far_it_is_and_can_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        draw_line("a").save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.gt.txt").write_text("a")
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    measuring, going, asked = tab(), threading.Semaphore(0), list[str]()

    def recognise(path: Path, media: str, rule: str, tell: Callable[[float], None]) -> str:
        asked.append(path.name)
        tell(0.5)
        assert going.acquire(timeout=20)
        return "b"

    monkeypatch.setattr(measuring, "recognise", recognise)
    steps = measuring.run(files, "", "", "strict", True)
    # Of the first of three files half is done, or will be soon.
    assert re.search("Reading the files: (0|17) %", next(steps)[0])
    going.release(3)
    *_, last = steps
    assert last[0] == "" and shown(last[3]) == [f"{number}.png WER 100.0 %, CER 100.0 % | a→b" for number in range(3)]
    steps = measuring.run(files, "", "", "strict", True)
    next(steps)
    measuring.stopped()
    with pytest.raises(StoppedError):
        list(steps)
    going.release(3)
    assert asked == ["0.png", "1.png", "2.png", "0.png"]  # the file that was being read, and none after it
