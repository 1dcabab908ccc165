# ruff: noqa: E402 - without gradio this file is skipped before the imports that need it
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import SPOKEN_TEXTS, TINY_SPEECH, WRITTEN_TEXTS, draw_line, spell_wave, tone_wave
from PIL import Image

gr = pytest.importorskip("gradio", reason="the page needs gradio: pip install 'recog[app]'")

import app
from pipelines.handwriting import HandwritingPipeline
from pipelines.speech import SpeechPipeline
from pipelines.transcript import PageTranscript, WrittenLine, WrittenWord
from pipelines.web import handwriting, once, pad, player, sheet, speech
from pipelines.web.choices import CAREFUL, QUICK
from pipelines.web.handwriting import HandwritingTab
from pipelines.web.limits import Limits, warn_of
from pipelines.web.once import Once
from pipelines.web.recordings import Recording
from pipelines.web.sheets import Sheet
from pipelines.web.speech import SpeechTab
from recog import audio, image
from recog.errors import CheckpointError, InputError
from recog.recognizer import DecodingOptions

ROOT = Path(app.__file__).parent
# Gradio leaves event loops and sockets to the garbage collector; that is its affair, and must not fail other tests.
pytestmark = [pytest.mark.usefixtures("uploads"), pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]


def speech_tab(bundle: Path | str, limits: Limits | None = None) -> SpeechTab:
    with gr.Blocks(analytics_enabled=False) as page:
        return SpeechTab(page, Once(lambda: SpeechPipeline.load(bundle)), limits or Limits())


def handwriting_tab(bundle: Path | str, limits: Limits | None = None) -> HandwritingTab:
    with gr.Blocks(analytics_enabled=False) as page:
        return HandwritingTab(page, Once(lambda: HandwritingPipeline.load(bundle)), limits or Limits())


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "spelt.wav", spell_wave(SPOKEN_TEXTS[0], TINY_SPEECH.rate_hz), TINY_SPEECH.rate_hz)
    return tmp_path / "spelt.wav"


def plain(marked: str) -> str:
    """The text of the HTML shown."""
    return re.sub(r"<[^>]*>", "", marked.replace("</p><p>", "\n"))


# The two tabs ---------------------------------------------------------------------------------------------------------


def take(tab: SpeechTab, *paths: Path) -> tuple[Recording, ...]:
    """The recordings on the page after an upload."""
    return tuple(list(tab.take([str(path) for path in paths]))[-1][0])


def transcribe(tab: SpeechTab, *arguments: Any) -> dict[str, Any]:
    """What the page shows in the end, by the names of its parts."""
    names = [
        "kept",
        "chosen",
        "player",
        "progress",
        "text",
        "summary",
        "copy",
        "learn",
        "lessons",
        *speech.FORMS,
        "zip",
    ]
    return dict(zip(names, list(tab.transcribe(*arguments))[-1], strict=True))


@pytest.mark.parametrize("fast", [False, True])
def test_a_recording_becomes_text_words_and_files(trained_speech_bundle: Path, recording: Path, fast: bool) -> None:
    tab = speech_tab(trained_speech_bundle)
    shown = transcribe(tab, take(tab, recording), QUICK if fast else CAREFUL)
    assert plain(shown["text"]).endswith(f"Enter plays.{SPOKEN_TEXTS[0]}")
    assert shown["summary"].startswith("1 word in 0.5 s of sound")
    expected = SpeechPipeline.load(trained_speech_bundle, DecodingOptions(beam=0 if fast else None))(recording)
    assert shown["kept"][0].transcript == expected
    assert re.findall(r'data-s="([^"]*)" data-e="([^"]*)"', shown["text"]) == [
        (f"{word.start:g}", f"{word.end:g}") for word in expected.words
    ]
    assert Path(shown["txt"].value["path"]).name == "spelt.txt"
    assert Path(shown["txt"].value["path"]).read_text(encoding="utf-8") == SPOKEN_TEXTS[0] + "\n"
    data = json.loads(Path(shown["json"].value["path"]).read_text(encoding="utf-8"))
    assert data == json.loads(json.dumps({"file": "spelt.wav", **expected.as_json()}))


def pages(tab: HandwritingTab, *paths: Path) -> tuple[Sheet, ...]:
    """The pages on the screen after an upload."""
    return tuple(list(tab.take([str(path) for path in paths]))[-1][0])


def read_pages(tab: HandwritingTab, *arguments: Any) -> dict[str, Any]:
    """What the page shows in the end, by the names of its parts."""
    shown = list(tab.transcribe(*arguments))[-1]
    names = ["kept", "chosen", "progress", "sheet", "summary", "copy", *handwriting.FORMS, "zip"]
    # The files to save follow the text.
    shown[6:] = list(tab.save(shown[0], shown[1].choices.index((shown[1].value,) * 2)))[-1][3:]
    return dict(zip(names, shown, strict=True))


@pytest.mark.parametrize("fast", [False, True])
def test_a_picture_becomes_text_words_and_files(trained_handwriting_bundle: Path, tmp_path: Path, fast: bool) -> None:
    draw_line(WRITTEN_TEXTS[4]).save(tmp_path / "line.png")
    tab = handwriting_tab(trained_handwriting_bundle)
    shown = read_pages(tab, pages(tab, tmp_path / "line.png"), fast)
    assert plain(shown["sheet"]).endswith("add 1")
    assert shown["summary"].startswith("2 words in 1 line, read in")
    assert Path(shown["txt"].value["path"]).read_text(encoding="utf-8") == "add 1\n"
    assert [word["text"] for word in json.loads(Path(shown["json"].value["path"]).read_bytes())["words"]] == [
        "add",
        "1",
    ]


def scanned(path: Path, *texts: str, large: int = -1) -> Path:
    """A TIFF of a line a page, of which one has more than a hundredth of a megapixel."""
    lines = [draw_line(text) for text in texts]
    if large >= 0:
        lines[large] = lines[large].resize((400, 80))
    lines[0].save(path, "tiff", save_all=True, append_images=lines[1:])
    return path


def test_a_page_that_cannot_be_opened_costs_only_itself(trained_handwriting_bundle: Path, tmp_path: Path) -> None:
    tab = handwriting_tab(trained_handwriting_bundle, Limits(megapixels=0.01))
    path = scanned(tmp_path / "three.tif", WRITTEN_TEXTS[0], WRITTEN_TEXTS[1], WRITTEN_TEXTS[4], large=1)
    too_large = "page 2 of three.tif has 400 x 80 pixels; make it smaller than 0.01 megapixels, the limit"
    with pytest.warns(UserWarning, match=f"^{too_large}.$"):
        kept = pages(tab, path)
    assert [one.failure for one in kept] == ["", too_large, ""]
    shown = read_pages(tab, kept)
    assert "on 2 pages" in shown["summary"] and "**Could not be read: three.tif, page 2.**" in shown["summary"]
    # The place of the page stays empty, so that page 3 is still the third.
    text = Path(shown["txt"].value["path"]).read_text(encoding="utf-8")
    assert text.split("\n\f") == [WRITTEN_TEXTS[0], "", WRITTEN_TEXTS[4] + "\n"]
    data = json.loads(Path(shown["json"].value["path"]).read_text(encoding="utf-8"))
    assert data["pages"][1] == {"number": 2, "failure": too_large}
    chosen = tab.choose(shown["kept"], 1)
    assert plain(chosen[3]) == too_large and not chosen[5].interactive
    # A file without a good page is refused, and costs only itself too.
    bad = scanned(tmp_path / "bad.tif", "a", "b", large=0)
    Image.new("L", (400, 80)).save(bad)
    with pytest.warns(UserWarning, match="bad.tif has 400 x 80"):
        assert [one.name for one in pages(tab, bad, scanned(tmp_path / "good.tif", "a"))] == ["good.tif"]
    assert refused(pages, tab, bad) == "bad.tif has 400 x 80 pixels; make it smaller than 0.01 megapixels, the limit."


def test_a_page_that_cannot_be_read_costs_only_itself(
    trained_handwriting_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = handwriting_tab(trained_handwriting_bundle)
    kept = pages(tab, scanned(tmp_path / "two.tif", WRITTEN_TEXTS[0], WRITTEN_TEXTS[1]))
    good = HandwritingPipeline.__call__

    def crumpled(self: HandwritingPipeline, source: Any, tell: Any) -> PageTranscript:
        if source == kept[0].picture:
            raise InputError(f"{source} is crumpled <so>")
        return good(self, source, tell)

    monkeypatch.setattr(HandwritingPipeline, "__call__", crumpled)
    with pytest.warns(UserWarning, match=r"^two.tif, page 1 is crumpled &lt;so&gt;.$"):
        shown = read_pages(tab, kept)
    assert shown["chosen"].value == "two.tif, page 2" and plain(shown["sheet"]).endswith(WRITTEN_TEXTS[1])
    assert "two.tif, page 1 is crumpled &lt;so&gt;" in tab.choose(shown["kept"], 0)[3]
    # What failed once is tried again.
    monkeypatch.setattr(HandwritingPipeline, "__call__", good)
    assert [one.failure for one in read_pages(tab, shown["kept"])["kept"]] == ["", ""]
    monkeypatch.setattr(HandwritingPipeline, "__call__", crumpled)
    assert refused(read_pages, tab, kept[:1]) == "two.tif, page 1 is crumpled &lt;so&gt;."


def test_of_many_failures_a_few_are_told_one_by_one() -> None:
    with pytest.warns(UserWarning) as told_:
        warn_of([f"page {number} is torn" for number in range(5)])
    assert [str(one.message) for one in told_] == [
        *(f"page {number} is torn." for number in range(3)),
        "2 more could not be read; choose them in the list to see why.",
    ]


def test_silence_and_blank_paper_say_so(
    random_speech_bundle: Path, random_handwriting_bundle: Path, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(16000), 16000)
    Image.new("L", (300, 200), 255).save(tmp_path / "blank.png")
    tab = speech_tab(random_speech_bundle)
    spoken = transcribe(tab, take(tab, tmp_path / "silence.wav"), QUICK)
    reader = handwriting_tab(random_handwriting_bundle)
    written = read_pages(reader, pages(reader, tmp_path / "blank.png"), True)
    assert spoken["summary"] == "No speech was found in these 1.0 seconds of sound."
    assert spoken["text"] == player.region(player.NO_TEXT)
    assert written["summary"] == "No writing was found in this picture."


@pytest.mark.parametrize("name", ["cut.wav", "cut.aiff"])
def test_a_recording_that_is_cut_off_says_so(trained_speech_bundle: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    soundfile.write(path, spell_wave(SPOKEN_TEXTS[0]), TINY_SPEECH.rate_hz)
    path.write_bytes(path.read_bytes()[:-2000])
    tab = speech_tab(trained_speech_bundle)
    with pytest.warns(
        UserWarning, match=rf"^{name} is damaged or cut off \(.+; what can be read of it is transcribed\."
    ):
        kept = take(tab, path)
    assert np.abs(audio.read(kept[0].playable) - audio.read(path)).max() <= 1 / 32768
    shown = transcribe(tab, kept)
    assert shown["kept"][0].transcript.text == SpeechPipeline.load(trained_speech_bundle)(path).text != ""
    summary = shown["summary"]
    assert summary.startswith("**This recording is damaged or cut off (") and "could be read" in summary


def test_lines_are_outlined_and_unsure_words_veiled_and_escaped() -> None:
    sure, unsure = WrittenWord("a&b", (20, 20, 40, 40), 0.5), WrittenWord("<b>", (50, 20, 70, 40), 0.49)
    line = WrittenLine("a&b <b>", (20, 20, 80, 40), (sure, unsure))
    turned = replace(line, polygon=((20, 22), (80, 20), (80, 38), (20, 40)))
    shown = sheet.show(PageTranscript("", (line, turned), 100, 60), Path("/cache/a b.png"))
    assert 'viewBox="0 0 100 60"' in shown and 'href="gradio_api/file=/cache/a%20b.png"' in shown
    assert '<polygon data-line="0" points="20,20 80,20 80,40 20,40"><title>a&amp;b &lt;b&gt;</title>' in shown
    assert '<polygon data-line="1" points="20,22 80,20 80,38 20,40">' in shown
    assert shown.count('<rect class="veil" x="50" y="20" width="20" height="20"/>') == 2
    assert 'tabindex="0">a&amp;b <span class="unsure" title="49 % sure">&lt;b&gt;</span></p>' in shown


def test_corrected_lines_replace_those_that_were_read() -> None:
    word = WrittenWord("tea", (10, 5, 40, 25), 0.4)
    page = PageTranscript("tea\ntea", tuple(WrittenLine("tea", word.box, (word,)) for _ in range(2)), 100, 60)
    after = sheet.corrected(page, ["", " pot "])
    assert (after.text, after.lines[0].words) == ("pot", (WrittenWord("pot", word.box, 1.0),))
    for bad in (["one"], "two", [1, 2]):
        with pytest.raises(InputError):
            sheet.corrected(page, bad)


@pytest.mark.parametrize("sent", [None, "data:image/png;base64,**", "data:text/html;base64,AA==", 5])
def test_what_is_no_drawing_is_refused(sent: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the drawing did not arrive"):
        pad.save(sent, tmp_path)
    assert list(tmp_path.iterdir()) == []


# Uploads --------------------------------------------------------------------------------------------------------------


def refused(call: Any, *arguments: Any) -> str:
    with pytest.raises(gr.Error) as caught:
        call(*arguments)
    assert caught.value.duration is None and not caught.value.print_exception
    return str(caught.value.message)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.wav", b"", "empty.wav is empty (0 bytes); expected a recording."),
        (
            "notes.wav",
            b"these are notes, no sound",
            "notes.wav is not a recording that can be decoded (invalid data found when processing input).",
        ),
        (
            "<img src=x>.wav",
            b"no sound",
            "&lt;img src=x&gt;.wav is not a recording that can be decoded (invalid data found when processing input).",
        ),
    ],
)
def test_what_is_no_recording_is_refused_in_a_sentence(
    name: str, content: bytes, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    tab = speech_tab("nowhere")
    assert refused(lambda: list(tab.take([str(tmp_path / name)]))) == sentence


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.png", b"", "empty.png is empty (0 bytes); expected an image."),
        ("notes.png", b"notes", "notes.png is not an image of a known kind (png, jpg, webp, tiff, bmp)."),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(name: str, content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert refused(pages, handwriting_tab("nowhere"), tmp_path / name) == sentence


def test_limits_are_enforced(recording: Path, tmp_path: Path) -> None:
    spoken = speech_tab("nowhere", Limits(minutes=0.005))
    assert refused(take, spoken, recording) == "spelt.wav is longer than 0 s, the limit; cut it into parts."
    Image.new("L", (2000, 1000)).save(tmp_path / "large.png")
    written = handwriting_tab("nowhere", Limits(megapixels=1))
    assert refused(pages, written, tmp_path / "large.png") == (
        "large.png has 2000 x 1000 pixels; make it smaller than 1 megapixels, the limit."
    )


def test_a_click_without_an_input_says_what_to_do() -> None:
    assert refused(transcribe, speech_tab("nowhere"), ()).startswith("There is no recording yet; choose a file")
    assert refused(read_pages, handwriting_tab("nowhere"), ()).startswith("There is no picture yet; choose or")


def test_what_browsers_cannot_play_becomes_flac_with_the_same_samples(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.aiff", tone_wave(seconds=0.3), 16000)
    (kept,) = take(speech_tab("nowhere"), tmp_path / "tone.aiff")
    assert (kept.playable.name, kept.path.name, kept.seconds) == ("tone.flac", "tone.aiff", 0.3)
    assert np.array_equal(audio.read(kept.playable), audio.read(tmp_path / "tone.aiff"))


def test_what_browsers_cannot_show_becomes_png_with_the_same_pixels(tmp_path: Path) -> None:
    draw_line("Ada 1").save(tmp_path / "line.tif")
    (kept,) = pages(handwriting_tab("nowhere"), tmp_path / "line.tif")
    assert kept.picture.suffix == ".png"
    assert np.array_equal(np.asarray(image.read(kept.picture)), np.asarray(image.read(tmp_path / "line.tif")))


def test_the_examples_are_small_read_without_complaint_and_licensed() -> None:
    folder = ROOT / "pipelines" / "web" / "examples"
    licences = (folder / "LICENCES.md").read_text(encoding="utf-8")
    files = [path for path in folder.iterdir() if path.name != "LICENCES.md"]
    assert len(files) == 4
    for path in files:
        assert path.stat().st_size < 150_000 and f"`{path.name}`" in licences
        assert image.read(path) if path.suffix == ".webp" else 5 < len(audio.read(path)) / 16000 < 10


# Loading --------------------------------------------------------------------------------------------------------------


def test_once_makes_once_for_many_threads() -> None:
    made: list[int] = []

    def make() -> int:
        time.sleep(0.05)
        made.append(7)
        return 7

    value, found = Once(make), []
    threads = [threading.Thread(target=lambda: found.append(value())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (made, found) == ([7], [7] * 5)


def test_once_forgets_a_failure() -> None:
    problems = ["the bundle is missing"]

    def make() -> str:
        if problems:
            raise CheckpointError(problems.pop())
        return "there"

    value = Once(make)
    assert (value.problem(), value.problem(), value()) == ("the bundle is missing", "", "there")


def test_once_tells_how_long_it_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(once.time, "monotonic", lambda: now[0])
    told: list[float] = []

    def make() -> int:
        told.append(value.left)
        now[0] += 3.0
        told.append(value.left)
        now[0] += 30.0
        told.append(value.left)
        return 7

    value = Once(make, guessed_seconds=8.0)
    assert value.left == 8.0
    value()
    assert (told, value.left) == ([8.0, 5.0, 1.0], 0.0)


def test_what_is_loaded_has_been_used_and_reads_as_ever(
    trained_speech_bundle: Path, trained_handwriting_bundle: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def noting(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda path, *rest, **named: (read.append(path.name), original(path, *rest, **named))[1]

    monkeypatch.setattr(audio, "stream", noting(audio.stream))
    monkeypatch.setattr(image, "read", noting(image.read))
    assert speech.load(trained_speech_bundle)(recording).text == SPOKEN_TEXTS[0]
    handwriting.load(trained_handwriting_bundle)
    assert read == ["reader.opus", "spelt.wav", "line-english.webp"]


def test_a_missing_bundle_is_told_on_the_page(recording: Path) -> None:
    tab = speech_tab("nowhere")
    notice = tab.notice()
    assert notice.visible and "nowhere is not a bundle: no bundle.json there" in notice.value
    assert refused(transcribe, tab, take(tab, recording)).startswith("nowhere is not a bundle")


def test_a_bundle_that_is_there_needs_no_notice(random_handwriting_bundle: Path) -> None:
    assert not handwriting_tab(random_handwriting_bundle).notice().visible
