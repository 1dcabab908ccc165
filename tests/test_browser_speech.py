import json
import re
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from browsing import expect, launched, opened, shown, upload
from conftest import SPOKEN_TEXTS, TINY_SPEECH, spell_wave
from recordings import KINDS, encode

from pipelines.speech import Passage, SpeechPipeline
from pipelines.transcript import SpokenWord
from pipelines.web import recordings, speech
from recog import audio, manifest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]
RATE_HZ = TINY_SPEECH.rate_hz


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser whose microphone hears the first text again and again."""
    voice = tmp_path_factory.mktemp("voice") / "voice.wav"
    pause = np.zeros(RATE_HZ, np.float32)
    soundfile.write(voice, np.concatenate([spell_wave(SPOKEN_TEXTS[0], RATE_HZ), pause]), RATE_HZ)
    microphone = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    yield from launched(*microphone, f"--use-file-for-fake-audio-capture={voice}")


def spelt(folder: Path, *numbers: int, name: str = "spelt.wav") -> Path:
    """A recording of some of the texts, one a channel."""
    waves = [spell_wave(SPOKEN_TEXTS[number], RATE_HZ) for number in numbers]
    length = max(map(len, waves))
    soundfile.write(folder / name, np.stack([np.pad(wave, (0, length - len(wave))) for wave in waves], axis=1), RATE_HZ)
    return folder / name


def read(tab: Any, *files: Path) -> None:
    """Uploads files and transcribes them."""
    upload(tab, *files)
    expect(tab.locator("#speech-player audio")).to_have_attribute("src", re.compile(re.escape(files[0].stem)))
    tab.get_by_role("button", name="Transcribe").click()


def saved(tab: Any, name: str) -> Any:
    with tab.expect_download() as saving:
        tab.get_by_role("tabpanel").get_by_role("button", name=name, exact=True).click()
    return saving.value


def words_of(folder: Path, bundle: Path, number: int) -> Any:
    return SpeechPipeline.load(bundle)(spelt(folder, number)).words


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every five seconds of a recording take half a second, and hold a word."""

    def passages(self: SpeechPipeline, *_: Any) -> Iterator[Passage]:
        for number in range(60):
            time.sleep(0.5)
            yield Passage((SpokenWord(f"word{number}", 5.0 * number, 5 * number + 4.5, 0.9),), 5 * number + 5.0)

    monkeypatch.setattr(SpeechPipeline, "passages", passages)


def test_words_play_where_they_were_said_and_are_marked_while_they_are(
    tab: Any, tmp_path: Path, trained_speech_bundle: Path
) -> None:
    first, second = words_of(tmp_path, trained_speech_bundle, 1)
    read(tab, spelt(tmp_path, 1))
    expect(shown(tab)).to_have_text(SPOKEN_TEXTS[1])
    player, words = tab.locator("#speech-player audio"), shown(tab).locator(".w")
    assert words.all_inner_texts() == [first.text, second.text]
    # An outline of the sound: from the left edge to the right one.
    assert tab.locator("#speech-player .wave path").get_attribute("d").startswith("M0 ")
    tab.get_by_label("Speed").select_option("0.5")
    words.nth(1).click()
    expect(words.nth(1)).to_have_class(re.compile(r"\bnow\b"))
    expect(words.nth(1)).to_have_attribute("aria-current", "true")
    expect(words.nth(0)).not_to_have_class(re.compile(r"\bnow\b"))
    place = player.evaluate("player => [player.playbackRate, player.currentTime, player.ended]")
    assert place[0] == 0.5 and place[1] >= second.start
    # With the keyboard: arrows walk from word to word, Enter plays.
    tab.keyboard.press("ArrowLeft")
    expect(words.nth(0)).to_be_focused()
    tab.keyboard.press("Enter")
    expect(words.nth(0)).to_have_class(re.compile(r"\bnow\b"))
    # A click into the waveform goes there.
    player.evaluate("player => player.pause()")
    wave = tab.locator("#speech-player .wave")
    box = wave.bounding_box()
    wave.click(position={"x": box["width"] * 0.75, "y": 20})
    share = player.evaluate("player => player.currentTime / player.duration")
    assert share == pytest.approx(0.75, abs=0.02)


def test_the_word_that_is_said_stays_in_view_of_a_long_text(
    tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A word every two seconds, each a paragraph: so long is the silence between them.
    words = [SpokenWord(f"word{number}", 2 * number + 0.2, 2 * number + 0.9, 0.9) for number in range(80)]
    monkeypatch.setattr(SpeechPipeline, "passages", lambda *_: iter([Passage(tuple(words), 160.0)]))
    soundfile.write(tmp_path / "long.flac", np.zeros(160 * RATE_HZ, np.float32), RATE_HZ)
    read(tab, tmp_path / "long.flac")
    shades = shown(tab).locator(".w")
    expect(shades).to_have_count(80)
    for number in (70, 3, 40):
        tab.locator("#speech-player audio").evaluate(f"player => {{ player.currentTime = {2 * number + 0.5} }}")
        expect(shades.nth(number)).to_have_class(re.compile(r"\bnow\b"))
        expect(shades.nth(number)).to_be_in_viewport()
    shades.nth(42).click()
    expect(shades.nth(42)).to_have_class(re.compile(r"\bnow\b"))
    expect(shades.nth(42)).to_be_in_viewport()


def test_a_text_is_corrected_in_place_saved_in_every_form_and_trained_on(tab: Any, tmp_path: Path) -> None:
    read(tab, spelt(tmp_path, 1))
    expect(shown(tab)).to_have_text(SPOKEN_TEXTS[1])
    tab.get_by_role("button", name="Correct the text").click()
    paragraph = tab.get_by_role("textbox", name="Text from 0:00")
    expect(paragraph).to_be_focused()
    tab.keyboard.press("Control+A")
    tab.keyboard.type("dub <c>")
    # What was typed is thrown away.
    tab.get_by_role("button", name="Discard changes").click()
    expect(shown(tab)).to_have_text(SPOKEN_TEXTS[1])
    tab.get_by_role("button", name="Correct the text").click()
    tab.keyboard.press("Control+A")
    tab.keyboard.type("dub <c>")
    tab.get_by_role("button", name="Done").click()
    expect(tab.get_by_text("Corrected; words that you wrote are taken to be right.")).to_be_visible()
    expect(shown(tab)).to_have_text("dub <c>")
    expect(shown(tab).locator(".unsure")).to_have_count(0)

    text = saved(tab, "Text")
    assert text.suggested_filename == "spelt.txt"
    assert Path(text.path()).read_text(encoding="utf-8") == "dub <c>\n"
    data = json.loads(Path(saved(tab, "JSON").path()).read_text(encoding="utf-8"))
    assert [(word["text"], word["confidence"]) for word in data["words"]] == [("dub", 1.0), ("<c>", 1.0)]
    start, end = data["words"][0]["start"], data["words"][1]["end"]
    srt = Path(saved(tab, "SRT").path()).read_text(encoding="utf-8")
    assert srt.splitlines()[1] == f"00:00:00,{round(1000 * start):03} --> 00:00:00,{round(1000 * end):03}"
    assert Path(saved(tab, "VTT").path()).read_text(encoding="utf-8").startswith("WEBVTT\n")
    grid = saved(tab, "TextGrid")
    assert grid.suggested_filename == "spelt.TextGrid" and '"dub' in Path(grid.path()).read_text(encoding="utf-8")
    tab.get_by_role("button", name="Copy text").click()
    assert tab.evaluate("navigator.clipboard.readText()") == "dub <c>"

    tab.get_by_role("button", name="Use my corrections to train").click()
    samples = saved(tab, "Save samples (ZIP)")
    with zipfile.ZipFile(samples.path()) as archive:
        archive.extractall(tmp_path / "samples")
    (row,) = manifest.read(tmp_path / "samples" / "train.jsonl")
    assert row.text == "dub <c>" and row.duration == pytest.approx(len(audio.read(row.path)) / 16000)


def test_several_files_are_read_and_a_bad_one_does_not_stop_the_others(tab: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.wav").write_text("no sound")
    files = [spelt(tmp_path, 0, name="one.wav"), tmp_path / "notes.wav", spelt(tmp_path, 5, name="two.flac")]
    read(tab, *files)
    expect(tab.get_by_test_id("toast-body")).to_contain_text("notes.wav is not a recording that can be decoded")
    expect(shown(tab)).to_have_text(SPOKEN_TEXTS[0])
    tab.get_by_label("Recording", exact=True).click()
    tab.get_by_role("option", name="two.flac").click()
    expect(shown(tab)).to_have_text(SPOKEN_TEXTS[5])
    expect(tab.locator("#speech-player audio")).to_have_attribute("src", re.compile("two.flac"))
    everything = saved(tab, "Save all (ZIP)")
    with zipfile.ZipFile(everything.path()) as archive:
        assert archive.read("01-one.txt").decode() == SPOKEN_TEXTS[0] + "\n"
        assert archive.read("02-two.txt").decode() == SPOKEN_TEXTS[5] + "\n"
        assert len(archive.namelist()) == 2 * len(speech.FORMS)


def test_what_is_said_in_a_video_is_read(tab: Any, tmp_path: Path) -> None:
    film = next(kind for kind in KINDS if kind.name == "mkv-with-video")
    (tmp_path / "film.mkv").write_bytes(encode(spell_wave(SPOKEN_TEXTS[1], film.rate_hz), film))
    read(tab, tmp_path / "film.mkv")
    expect(shown(tab)).to_contain_text(re.compile("[abcd]{2}"))
    # Its sound plays in every browser, whatever the film is packed in.
    expect(tab.locator("#speech-player audio")).to_have_attribute("src", re.compile("film.flac"))
    shown(tab).locator(".w").first.click()
    expect(shown(tab).locator(".w").first).to_have_class(re.compile(r"\bnow\b"))


def test_unsure_words_are_shaded_and_a_failure_of_the_program_is_told(
    tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (SpokenWord("sure", 0.0, 0.2, 0.9), SpokenWord("unsure", 0.2, 0.4, 0.2))
    monkeypatch.setattr(SpeechPipeline, "passages", lambda *_: iter([Passage(words, 0.5)]))
    read(tab, spelt(tmp_path, 1))
    expect(shown(tab)).to_have_text("sure unsure")
    expect(shown(tab).locator(".unsure")).to_have_text("unsure")
    expect(shown(tab).locator(".unsure")).to_have_attribute("title", re.compile("20 % sure"))
    expect(shown(tab).locator(".unsure")).to_have_css("border-bottom-style", "dotted")
    monkeypatch.setattr(SpeechPipeline, "passages", lambda *_: 1 / 0)
    tab.get_by_role("button", name="Transcribe").click()
    expect(tab.get_by_test_id("toast-body")).to_contain_text(
        "The program failed at this; that is its fault, not yours."
    )
    expect(tab.get_by_role("button", name="Cancel")).to_be_hidden()
    expect(tab.get_by_text(re.compile("^Reading spelt.wav"))).to_be_hidden()


def test_choices_reach_the_recogniser(tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        SpeechPipeline,
        "__call__",
        lambda self, *rest, call=SpeechPipeline.__call__: (asked.append(self), call(self, *rest))[1],
    )
    tab.get_by_role("button", name="How to listen").click()
    tab.get_by_label("By sound alone").check()
    tab.get_by_label("Words to listen for").fill("DAB, add b\ncab")
    tab.get_by_label("number input for Texts weighed").fill("16")
    tab.get_by_label("Each channel is another speaker").check()
    tab.get_by_label("Write sentences").uncheck()
    read(tab, spelt(tmp_path, 0, 5))
    said = shown(tab).locator(".said")
    expect(said).to_have_count(2)
    assert [re.sub(r"\s+", " ", one) for one in said.all_inner_texts()] == [
        f"Channel 1 0:00 {SPOKEN_TEXTS[0]}",
        f"Channel 2 0:00 {SPOKEN_TEXTS[5]}",
    ]
    (pipeline,) = asked
    options = pipeline.recognizer.options
    assert (options.beam, options.language) == (16, False)
    assert (pipeline.listening.by_channel, pipeline.listening.written) == (True, False)
    assert [one.phrase for one in options.hotwords] == ["dab", "add b", "cab"]
    tab.get_by_label("Quickly").check()
    tab.get_by_role("button", name="Transcribe").click()
    expect(tab.get_by_test_id("toast-body")).to_contain_text("words to listen for need a search")
    expect(tab.get_by_text("Getting ready")).to_be_hidden()


def test_long_work_tells_how_far_it_is_grows_and_can_be_cancelled(
    tab: Any, browser: Any, address: str, tmp_path: Path, slowly: None
) -> None:
    soundfile.write(tmp_path / "long.flac", np.zeros(300 * RATE_HZ, np.float32), RATE_HZ)
    read(tab, tmp_path / "long.flac")
    progress = tab.get_by_text(re.compile(r"^Reading long.flac: \d+ %, about .* left$"))
    expect(progress).to_be_visible()
    expect(shown(tab)).to_contain_text("word0")
    # Somebody else waits, and is told where in the queue.
    for other in opened(browser, address):
        other.get_by_role("button", name="Try an example").click()
        expect(other.get_by_text(re.compile(r"queue: 1/1"))).to_be_visible()
        tab.get_by_role("button", name="Cancel").click()
        expect(tab.get_by_text("This is what was read until it was stopped.")).to_be_visible()
        expect(tab.get_by_role("button", name="Cancel")).to_be_hidden()
        expect(progress).to_be_hidden()
        # It is the other's turn.
        expect(shown(other)).to_contain_text("word0")
        other.get_by_role("button", name="Cancel").click()
    partial = Path(saved(tab, "Text").path()).read_text(encoding="utf-8").split()
    assert partial == [f"word{number}" for number in range(len(partial))] and 0 < len(partial) < 60


def test_a_long_opening_is_cancelled_and_makes_room(tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(path: Path, _: Any, tell: Any) -> None:
        while True:
            tell(1.0, 4.0)
            time.sleep(0.05)

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "take", endless)
        upload(tab, spelt(tmp_path, 0))
        progress = tab.get_by_text(re.compile(r"^Opening spelt.wav: 25 %, about .* left$"))
        expect(progress).to_be_visible()
        tab.get_by_role("button", name="Cancel").click()
        expect(progress).to_be_hidden()
        expect(tab.get_by_role("button", name="Cancel")).to_be_hidden()
        expect(tab.get_by_role("button", name="Click to upload or drop files")).to_be_visible()
    read(tab, spelt(tmp_path, 1))
    expect(shown(tab)).to_have_text(SPOKEN_TEXTS[1])


def test_the_cutting_of_samples_tells_the_time_left_and_is_cancelled(
    tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(tab, spelt(tmp_path, 1))
    expect(shown(tab)).to_have_text(SPOKEN_TEXTS[1])

    going = threading.Event()

    def slowly(*given: Any, real: Any = audio.stream, **more: Any) -> Iterator[Any]:
        for block in real(*given, **more):
            first, rest = np.array_split(block, 2)
            yield first
            assert going.wait(60)
            yield rest

    learn, cancel = (tab.get_by_role("button", name=name) for name in ("Use my corrections to train", "Cancel"))
    with monkeypatch.context() as patch:
        patch.setattr(audio, "stream", slowly)
        learn.click()
        progress = tab.get_by_text(re.compile(r"^Cutting the recordings into samples: \d+ %, about .* left$"))
        expect(progress).to_be_visible()
        cancel.click()
        expect(progress).to_be_hidden()
        expect(cancel).to_be_hidden()
        going.set()
    expect(shown(tab)).to_have_text(SPOKEN_TEXTS[1])
    expect(tab.get_by_role("button", name="Save samples (ZIP)")).to_be_hidden()
    learn.click()
    expect(tab.get_by_role("button", name="Save samples (ZIP)")).to_be_visible()
    expect(tab.get_by_text("1 sample with what the text says now")).to_be_visible()


def test_speaking_is_read_along_and_becomes_a_recording(tab: Any) -> None:
    tab.get_by_role("button", name="Speak").click()
    live = tab.get_by_role("region", name="Text so far")
    expect(live).to_contain_text(re.compile("[abcd]{2}"))
    tab.get_by_role("button", name="Stop and transcribe").click()
    expect(tab.get_by_text("s of sound, read in")).to_be_visible()
    expect(tab.locator("#speech-player audio")).to_have_attribute("src", re.compile("spoken.wav"))
    expect(shown(tab)).to_contain_text(re.compile("[abcd]"))
    expect(live).to_be_hidden()
    expect(tab.get_by_role("button", name="Speak")).to_be_enabled()


def test_the_tab_fits_a_phone_in_the_dark(browser: Any, address: str, tmp_path: Path) -> None:
    for tab in opened(browser, address, viewport={"width": 390, "height": 844}, color_scheme="dark"):
        read(tab, spelt(tmp_path, 1))
        expect(shown(tab)).to_have_text(SPOKEN_TEXTS[1])
        expect(shown(tab).locator(".w")).to_have_count(2)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        ground, ink = shown(tab).evaluate(
            "part => [getComputedStyle(part).backgroundColor, getComputedStyle(part.querySelector('.w')).color]"
            ".map(colour => colour.match(/[0-9.]+/g).slice(0, 3).reduce((sum, one) => sum + Number(one), 0))"
        )
        assert ground < 200 and ink > 500
