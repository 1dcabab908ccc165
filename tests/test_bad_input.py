"""`recog transcribe` on files that are bad in every way: one sentence each, an exit code, and the others are finished."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import SPOKEN_TEXTS, WRITTEN_TEXTS, draw_line, spell_wave
from PIL import Image
from recordings import Kind, encode, video_alone, wav

from pipelines import SpeechPipeline
from pipelines.cli import main
from pipelines.transcript import SpeechTranscript
from pipelines.transcription import default_bundle

TEXT = b"Dear all,\nthis is a letter, neither a recording nor a picture.\n"


def said(text: str = SPOKEN_TEXTS[0]) -> bytes:
    return wav(spell_wave(text), 8000)


def opus(text: str = SPOKEN_TEXTS[0]) -> bytes:
    return encode(np.repeat(spell_wave(text), 6), Kind("opus", "ogg", "libopus", 48000))


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    data = io.BytesIO()
    Image.new("1", (width, height), 1).save(data, kind)
    return data.getvalue()


def line(kind: str) -> bytes:
    data = io.BytesIO()
    draw_line(WRITTEN_TEXTS[4]).save(data, kind)
    return data.getvalue()


# Name of the file, its content, and what is said of it.
SOUNDS: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.wav": (lambda: b"", "empty.wav is empty (0 bytes); expected a recording"),
    "text.wav": (lambda: TEXT * 20, "text.wav is not a recording that can be decoded ("),
    "picture.wav": (lambda: line("PNG"), "picture.wav is not a recording that can be decoded ("),
    "header.wav": (lambda: said()[:44], "header.wav holds no decodable sound"),
    "silent.wav": (lambda: wav(np.zeros(8000), 8000), "silent.wav is silent: nothing in its 1.00 s rises above -80 dB"),
    "mute.mp4": (lambda: video_alone(10), "mute.mp4 holds no sound track"),
    "no-frames.mp4": (lambda: video_alone(0), "no-frames.mp4 holds no sound track"),
}
PICTURES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.png": (lambda: b"", "empty.png is empty (0 bytes); expected an image"),
    "text.png": (lambda: TEXT, "text.png is not an image of a known kind"),
    "sound.png": (said, "sound.png is not an image of a known kind"),
    "cut.png": (lambda: line("PNG")[:-300], "cut.png is damaged or cut off and cannot be decoded"),
    "cut.jpg": (lambda: line("JPEG")[:700], "cut.jpg is damaged or cut off and cannot be decoded"),
    "pixel.png": (lambda: picture(1, 1), "pixel.png (1 x 1 pixels)"),
    "blank.png": (lambda: picture(400, 300), "blank.png (400 x 300 pixels)"),
    "large.png": (lambda: picture(10_000, 10_000), "large.png (10000 x 10000 pixels)"),
    "larger.png": (lambda: picture(20_000, 10_000), "too many pixels; make it smaller than 150 megapixels, the limit"),
    "ribbon.png": (lambda: picture(10_000, 1), "ribbon.png (10000 x 1 pixels)"),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_a_bad_recording_gives_one_sentence(
    name: str, tmp_path: Path, random_speech_bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content, sentence = SOUNDS[name]
    one_sentence(tmp_path / name, content(), sentence, random_speech_bundle, capfd)


@pytest.mark.parametrize("name", PICTURES)
def test_a_bad_picture_gives_one_sentence(
    name: str, tmp_path: Path, random_handwriting_bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content, sentence = PICTURES[name]
    one_sentence(tmp_path / name, content(), sentence, random_handwriting_bundle, capfd)


def one_sentence(path: Path, content: bytes, sentence: str, bundle: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(content)
    assert main(["transcribe", str(path), "--bundle", str(bundle), "--greedy"]) == 1
    out, err = capfd.readouterr()
    assert out.strip() == ""
    assert sentence in err and str(path) in err and err.count("\n") == 1 and "Traceback" not in err


def test_all_of_them_in_one_run_and_the_good_ones_are_finished(
    tmp_path: Path, trained_speech_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, (content, _) in SOUNDS.items():
        (tmp_path / name).write_bytes(content())
    for text in SPOKEN_TEXTS[:2]:
        (tmp_path / f"{text}.wav").write_bytes(said(text))
    first, second = (tmp_path / f"{text}.wav" for text in SPOKEN_TEXTS[:2])
    bad = [str(tmp_path / name) for name in SOUNDS]
    files = [bad[0], str(first), *bad[1:], str(second)]
    assert main(["transcribe", *files, "--bundle", str(trained_speech_bundle), "--greedy"]) == 1
    out, err = capsys.readouterr()
    finished = [line for line in out.splitlines() if not line.endswith(": ")]
    assert finished == [f"{first}: {SPOKEN_TEXTS[0]}", f"{second}: {SPOKEN_TEXTS[1]}"]
    assert f"{len(bad)} of {len(files)} files failed:" in err
    listed = err.partition("files failed:\n")[2].splitlines()
    assert all(name in told for name, told in zip(SOUNDS, listed, strict=True))


@pytest.mark.parametrize("name", ["cut.wav", "cut.opus"])
def test_what_is_left_of_a_file_that_is_cut_off_is_written_and_told(
    name: str, tmp_path: Path, trained_speech_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, texts = tmp_path / name, " ".join(SPOKEN_TEXTS[:3])
    whole = said(texts) if name == "cut.wav" else opus(texts)
    path.write_bytes(whole[: len(whole) * 2 // 3])
    expected = SpeechPipeline.load(trained_speech_bundle)(path)
    assert expected.text and 0.2 < expected.duration < len(spell_wave(texts)) / 8000 - 0.2
    sentence = f"{path} is damaged or cut off ("
    assert main(["transcribe", str(path), "--bundle", str(trained_speech_bundle)]) == 1
    out, err = capsys.readouterr()
    assert out == expected.text + "\n"
    assert sentence in err and f"the text is that of the {expected.duration:.2f} s that could be read" in err
    # In a folder, as JSON: the transcript says it too, and the others are finished.
    (tmp_path / "good.wav").write_bytes(said())
    call = ["transcribe", str(tmp_path), "--bundle", str(trained_speech_bundle), "--format", "json"]
    assert main([*call, "--out", str(tmp_path / "out")]) == 1
    assert f"1 of 2 files failed:\n  {sentence}" in capsys.readouterr().err
    found = json.loads((tmp_path / "out" / "cut.json").read_text())
    assert (found["text"], tuple(found["damage"])) == (expected.text, expected.damage)
    assert "damage" not in json.loads((tmp_path / "out" / "good.json").read_text())


def test_damage_is_told_once_where_channels_are_read_alone(
    tmp_path: Path, trained_speech_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = io.BytesIO()
    waves = [spell_wave(text) for text in SPOKEN_TEXTS[:2]]
    shorter = min(map(len, waves))
    soundfile.write(data, np.stack([wave[:shorter] for wave in waves], axis=1), 8000, format="WAV")
    (tmp_path / "two.wav").write_bytes(data.getvalue()[:-400])
    assert main(["transcribe", str(tmp_path / "two.wav"), "--channels", "--bundle", str(trained_speech_bundle)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("Channel 1: ") and "\nChannel 2: " in out
    assert err.count("the file ends after") == 1


@pytest.mark.parametrize("name", ["photo.heic", "photo.AVIF"])
def test_pictures_of_a_kind_that_is_not_read_are_refused_as_pictures(name: str, tmp_path: Path) -> None:
    assert default_bundle(tmp_path / name) == "handwriting-latin"


def test_the_sentence_stays_short_however_much_is_damaged() -> None:
    transcript = SpeechTranscript("a", (), 2.5, damage=("first", "second", *(str(number) for number in range(98))))
    assert transcript.warning("x.mp3") == (
        "x.mp3 is damaged or cut off (first; second; and 98 more); the text is that of the 2.50 s that could be read"
    )
