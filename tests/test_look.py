# ruff: noqa: E402 - without gradio this file is skipped before the imports that need it
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import SPOKEN_TEXTS, TINY_SPEECH, WRITTEN_TEXTS, draw_line, spell_wave

gr = pytest.importorskip("gradio", reason="the page needs gradio: pip install 'recog[app]'")

from pipelines.handwriting import HandwritingPipeline
from pipelines.insight import Alternative, Insight, Reading, Way, WeighedWord
from pipelines.speech import SpeechPipeline
from pipelines.web import look
from pipelines.web.limits import Limits
from pipelines.web.look import LookTab
from pipelines.web.once import Once
from recog.ctc.hypothesis import Parts

pytestmark = [pytest.mark.usefixtures("uploads"), pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]


def tab(speech: Path | str, handwriting: Path | str, limits: Limits | None = None) -> LookTab:
    with gr.Blocks(analytics_enabled=False):
        return LookTab(
            Once(lambda: SpeechPipeline.load(speech)),
            Once(lambda: HandwritingPipeline.load(handwriting)),
            limits or Limits(),
        )


def seen(kind: str = "speech") -> Insight:
    log_probs = np.log(np.array([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]], np.float32))
    ways = (Way("greedy", "a<", Parts(-2.0, -9.5, 1.0)), Way("language", "a b", None))
    words = (WeighedWord("a", 0, 1, 0.61, (Alternative("a", 0.7), Alternative("", 0.3))),)
    reading = Reading(log_probs, ("a", "<"), ways, words, (1, 0, 2))
    step, begin = (0.04, 2.0) if kind == "speech" else (4.0, 0.0)
    return Insight(kind, np.zeros((6, 3), np.float32), reading, 2, step, begin)


def test_readings_words_and_frames_are_told_in_the_units_of_the_sample() -> None:
    assert look.rows_of_ways(seen()) == [
        ["Likeliest symbol of every frame", "a<", "-2.00", "-9.50", "1.00", "0.00", "-10.50"],
        ["Search with the language model", "a b", *["–"] * 5],
    ]
    assert look.rows_of_words(seen()) == [["a", "2.00", "2.04", "61 %", "(nothing) 30 %"]]
    assert look.rows_of_words(seen("handwriting"))[0][1:3] == ["0", "4"]
    told = look.summarise(seen())
    assert "3 frames of 40 ms, 33 % of them blank" in told and '<p class="frames">a·&lt;</p>' in told
    assert "3 frames of 4 columns" in look.summarise(seen("handwriting"))


def test_a_recording_and_a_line_are_looked_into(
    trained_speech_bundle: Path, trained_handwriting_bundle: Path, tmp_path: Path
) -> None:
    rate = TINY_SPEECH.rate_hz
    soundfile.write(tmp_path / "spelt.wav", spell_wave(SPOKEN_TEXTS[1], rate), rate)
    draw_line(WRITTEN_TEXTS[4]).save(tmp_path / "line.png")
    looking = tab(trained_speech_bundle, trained_handwriting_bundle)
    for name, text, kind in (("spelt.wav", SPOKEN_TEXTS[1], "speech"), ("line.png", WRITTEN_TEXTS[4], "handwriting")):
        picture, _, ways, words, as_svg, as_json = looking.look(str(tmp_path / name), None, None)
        assert picture.startswith('<div class="lattice" role="region"') and "<svg " in picture
        assert [row[1] for row in ways] == [text, text]  # no language model: two ways
        assert [float(row[2]) for row in ways] == [float(row[6]) for row in ways]
        assert [row[0] for row in words] == text.split()
        assert Path(as_svg.value["path"]).name == f"{Path(name).stem}.svg"
        figures = json.loads(Path(as_json.value["path"]).read_text(encoding="utf-8"))
        assert (figures["kind"], figures["ways"][-1]["text"]) == (kind, text)
        assert math.isclose(sum(figures["probabilities"][0]), 1, abs_tol=1e-2)


def test_what_cannot_be_looked_into_is_refused_in_a_sentence(random_speech_bundle: Path, tmp_path: Path) -> None:
    looking = tab(random_speech_bundle, "nowhere", replace(Limits(), megapixels=0.001))
    soundfile.write(tmp_path / "short.wav", np.zeros(8000), 8000)
    (tmp_path / "notes.wav").write_text("no sound")
    draw_line("a").resize((90, 40)).save(tmp_path / "large.png")
    for name, second, sentence in (
        ("short.wav", 7, "there is nothing at second 7: the recording ends at 1.00 s."),
        ("notes.wav", 0, "notes.wav is not a recording that can be decoded"),
        ("large.png", 0, "large.png has 90 x 40 pixels; make it smaller than 0.001 megapixels, the limit."),
    ):
        with pytest.raises(gr.Error) as caught:
            looking.look(str(tmp_path / name), second, 1)
        assert str(caught.value.message).startswith(sentence)
    with pytest.raises(gr.Error, match="There is no recording or picture yet"):
        looking.look(None, 0, 1)
    assert looking.empty()[:5] == ["", look.region(look.EMPTY), "", [], []]
