"""What the HTTP API answers: every format by hand, streams piece by piece, and recordings that are not whole."""

import io
import json
import math
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from api_server import AUDIO, IMAGES, Server, bundles, collected, png, server, small, start, wait_for, wav
from conftest import SPOKEN_TEXTS, TINY_SPEECH, spell_wave
from oracles import ByWord
from PIL import Image

from pipelines.handwriting import HandwritingPipeline
from pipelines.speech import Listening, Passage, SpeechPipeline
from pipelines.transcript import SpeechTranscript, SpokenWord, rewritten
from pipelines.web import api_audio
from pipelines.web.api_work import Desk
from pipelines.web.once import Once
from pipelines.web.served import ServedBundle, ServedBundles
from recog import audio
from recog.segments import Cutting

__all__ = ["bundles", "collected", "server", "small"]  # fixtures
# The web server leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


CALLED = SpeechTranscript(
    "so it was <told> me",
    (
        SpokenWord("so", 0.0, 0.25, 1.0),
        SpokenWord("it", 0.25, 0.5, math.exp(-1)),
        SpokenWord("was", 0.5, 1.0, math.exp(-2)),
        SpokenWord("<told>", 2.0, 2.5, 0.5),
        SpokenWord("me", 3661.5, 3662.0, 0.25),
    ),
    3662.25,
    True,
)


def body(wanted: str, **more: Any) -> str:
    return bytes(api_audio.formatted(CALLED, wanted, **more).body).decode("utf-8")


def test_text_json_and_subtitles_are_as_written_by_hand() -> None:
    assert body("text") == "so it was <told> me\n"
    assert json.loads(body("json")) == {
        "text": "so it was <told> me",
        "usage": {"type": "duration", "seconds": 3663},
    }
    # A pause of 0.8 s ends a cue.
    assert body("srt") == (
        "1\n00:00:00,000 --> 00:00:01,000\nso it was\n\n"
        "2\n00:00:02,000 --> 00:00:02,500\n<told>\n\n"
        "3\n01:01:01,500 --> 01:01:02,000\nme\n"
    )
    assert body("vtt") == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:01.000\nso it was\n\n"
        "00:00:02.000 --> 00:00:02.500\n&lt;told&gt;\n\n"
        "01:01:01.500 --> 01:01:02.000\nme\n"
    )


def test_verbose_json_is_as_written_by_hand() -> None:
    both = json.loads(body("verbose_json", granularities=("word", "segment"), language="en"))
    assert {key: both[key] for key in ("task", "language", "duration", "text", "calibrated")} == {
        "task": "transcribe",
        "language": "en",
        "duration": 3662.25,
        "text": "so it was <told> me",
        "calibrated": True,
    }
    assert both["words"][3] == {"word": "<told>", "start": 2.0, "end": 2.5, "confidence": 0.5}
    first = both["segments"][0]
    assert first.pop("compression_ratio") < 1  # nine letters do not become fewer
    assert first == {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": 1.0,
        "text": "so it was",
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -1.0,  # (0 - 1 - 2) / 3
        "no_speech_prob": 0.0,
    }
    assert [(one["id"], one["seek"], one["text"]) for one in both["segments"]] == [
        (0, 0, "so it was"),
        (1, 200, "<told>"),
        (2, 366150, "me"),
    ]
    assert "words" not in json.loads(body("verbose_json"))
    words = json.loads(body("verbose_json", granularities=("word",)))
    assert "segments" not in words and [word["word"] for word in words["words"]] == CALLED.text.split()


@pytest.mark.parametrize("model", ["", "whisper-1", "tiny-speech"])
def test_a_recording_is_transcribed(server: Server, model: str, trained_speech_bundle: Path) -> None:
    answer = server.post(AUDIO, wav(), model=model, prompt="ignored", temperature="0", unheard_of="1")
    assert (answer.status_code, answer.json()["text"]) == (200, SPOKEN_TEXTS[0])
    assert answer.headers["cache-control"] == "no-store"
    timed = server.post(
        AUDIO, wav(), response_format="verbose_json", **{"timestamp_granularities[]": ["word", "segment"]}
    ).json()
    expected = SpeechPipeline.load(trained_speech_bundle)(wav())
    assert timed["words"] == [
        {"word": word.text, "start": word.start, "end": word.end, "confidence": word.confidence}
        for word in expected.words
    ]
    assert (timed["language"], timed["duration"]) == ("und", expected.duration)
    assert server.left() == []


def test_subtitles_come_as_text(server: Server) -> None:
    answer = server.post(AUDIO, wav("dab c"), response_format="srt")
    assert re.fullmatch(r"1\n00:00:00,\d{3} --> 00:00:00,\d{3}\ndab c\n", answer.text)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert server.post(AUDIO, wav("dab c"), response_format="text").text == "dab c\n"
    assert server.post(AUDIO, wav("dab c"), response_format="vtt").headers["content-type"].startswith("text/vtt")


def events(text: str) -> list[dict[str, Any]]:
    assert text.endswith("\n\n")
    return [json.loads(event.removeprefix("data: ")) for event in text[:-2].split("\n\n")]


def test_a_stream_has_the_pieces_and_then_the_whole(server: Server) -> None:
    answer = server.post(AUDIO, wav(), stream="true")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert events(answer.text) == [
        {"type": "transcript.text.delta", "delta": "abcd"},
        {"type": "transcript.text.done", "text": "abcd", "usage": {"type": "duration", "seconds": 1}},
    ]
    assert server.left() == []


class SlowListener:
    """Hears three pieces, the second one empty, and the third only when it is told to."""

    frontend, restorer = TINY_SPEECH, None

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def passages(self, source: Path, together: int, *_: Any) -> Iterator[Passage]:
        assert together == 1
        yield Passage((SpokenWord("so", 0.0, 0.2, 1.0), SpokenWord("it", 0.2, 0.3, 1.0)), 0.3)
        yield Passage((), 0.3)
        assert self.go_on.wait(10)
        yield Passage((SpokenWord("was", 0.3, 0.4, 1.0),), 0.5)

    def join(self, passages: list[Passage], damage: list[str]) -> SpeechTranscript:
        words = tuple(word for passage in passages for word in passage.words)
        return SpeechTranscript(" ".join(word.text for word in words), words, passages[-1].end)


def test_a_piece_is_sent_before_the_next_is_heard(tmp_path: Path) -> None:
    listener = SlowListener()
    server = start(Desk(ServedBundles([ServedBundle("slow", "speech", Once(lambda: listener))]), tmp_path))
    try:
        with httpx.stream("POST", server.address + AUDIO, files={"file": wav()}, data={"stream": "true"}) as answer:
            pieces = answer.iter_text()
            assert events(next(pieces)) == [{"type": "transcript.text.delta", "delta": "so it"}]
            assert any(server.desk.folder.iterdir())
            listener.go_on.set()
            last, done = events("".join(pieces))
        assert last["delta"] == " was" and done["text"] == "so it was"
        wait_for(lambda: not server.left())
    finally:
        listener.go_on.set()
        server.stop()


class ManyWords:
    """Hears forty words, ten at a time, and writes them as people do."""

    frontend = TINY_SPEECH
    said = tuple(
        [
            "we",
            "saw",
            "twenty",
            "five",
            "men",
            "then",
            "anna",
            "and",
            "five",
            "men",
            "stop",
            "we",
            "saw",
            "anna",
            "stop",
            "then",
            "twenty",
            "men",
            "saw",
            "five",
        ]
        * 2
    )

    def __init__(self) -> None:
        self.restorer = ByWord()

    def passages(self, *_: Any) -> Iterator[Passage]:
        for first in range(0, 40, 10):
            words = [
                SpokenWord(word, first + at, first + at + 0.5, 1.0)
                for at, word in enumerate(self.said[first : first + 10])
            ]
            yield Passage(tuple(words), first + 10.0)

    def join(self, passages: list[Passage], damage: list[str]) -> SpeechTranscript:
        heard = [word for passage in passages for word in passage.words]
        words = rewritten(heard, self.restorer.restore(self.said))
        return SpeechTranscript(" ".join(word.text for word in words), words, 40.0, spoken=" ".join(self.said))


def test_a_stream_writes_as_people_do_and_its_pieces_make_the_whole(tmp_path: Path) -> None:
    server = start(Desk(ServedBundles([ServedBundle("many", "speech", Once(ManyWords))]), tmp_path))
    try:
        *deltas, done = events(server.post(AUDIO, wav(), stream="true").text)
        whole = server.post(AUDIO, wav()).json()["text"]
        words = server.post(
            AUDIO, wav(), response_format="verbose_json", **{"timestamp_granularities[]": "word"}
        ).json()["words"]
    finally:
        server.stop()
    assert whole.startswith("We saw 25 men then, Anna and five men stop. We saw")
    assert len(deltas) > 2 and "".join(one["delta"] for one in deltas) == done["text"] == whole
    assert [(word["word"], word["start"], word["end"]) for word in words[1:4]] == [
        ("saw", 1.0, 1.5),
        ("25", 2.0, 3.5),
        ("men", 4.0, 4.5),
    ]


def test_silence_is_an_empty_text(server: Server) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(8000), 8000, format="WAV")
    assert "is silent: nothing in its 1.00 s" in server.post(AUDIO, file.getvalue()).json()["warning"]
    assert server.post(AUDIO, file.getvalue()).json()["text"] == ""
    assert server.post(AUDIO, file.getvalue(), response_format="verbose_json").json()["segments"] == []
    assert events(server.post(AUDIO, file.getvalue(), stream="true").text)[0]["type"] == "transcript.text.done"


def test_a_picture_is_transcribed(server: Server, trained_handwriting_bundle: Path) -> None:
    assert server.post(IMAGES, png(), "a.png").json() == {"text": "add 1"}
    assert server.post(IMAGES, png(), "a.png", response_format="text", model="tiny-hand").text == "add 1\n"
    verbose = server.post(IMAGES, png(), "a.png", response_format="verbose_json").json()
    expected = HandwritingPipeline.load(trained_handwriting_bundle)(png())
    assert verbose == {"task": "transcribe", **json.loads(json.dumps(expected.as_json()))}
    assert [word["text"] for word in verbose["lines"][0]["words"]] == ["add", "1"]
    assert server.left() == []


def test_what_can_be_read_of_a_file_that_is_cut_off_comes_with_a_warning(
    server: Server, trained_speech_bundle: Path
) -> None:
    cut = wav()[: len(wav()) * 3 // 4]
    expected = SpeechPipeline.load(trained_speech_bundle)(cut)
    sentence = f"{expected.warning('the uploaded file')}."
    assert f"the uploaded file is damaged or cut off (the file ends after {len(cut)} bytes of {len(wav())}" in sentence
    assert expected.text and expected.duration < SpeechPipeline.load(trained_speech_bundle)(wav()).duration
    for wanted in api_audio.FORMATS:
        answer = server.post(AUDIO, cut, response_format=wanted)
        assert (answer.status_code, answer.headers["x-recog-warning"]) == (200, sentence)
        assert expected.text in answer.text
        if "json" in wanted:
            assert (answer.json()["text"], answer.json()["warning"]) == (expected.text, sentence)
    done = events(server.post(AUDIO, cut, stream="true").text)[-1]
    assert (done["text"], done["warning"]) == (expected.text, sentence)
    whole = server.post(AUDIO, wav())
    assert "x-recog-warning" not in whole.headers and "warning" not in whole.json()
    wait_for(lambda: server.log[-1]["bytes"] > len(wav()))  # written after the answer is sent
    assert [line.get("damaged") for line in server.log[-7:]].count(True) == len(api_audio.FORMATS)


def test_the_first_words_are_sent_before_the_rest_of_the_file_is_read(
    trained_speech_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause = np.zeros(TINY_SPEECH.rate_hz // 2, np.float32)
    wave = np.concatenate([part for text in SPOKEN_TEXTS * 3 for part in (spell_wave(text), pause)])
    file, go_on, read = io.BytesIO(), threading.Event(), audio.stream
    soundfile.write(file, wave, TINY_SPEECH.rate_hz, format="FLAC")

    def halting(*given: Any) -> Iterator[audio.Waveform]:
        for seconds, block in enumerate(read(*given)):
            assert seconds < 15 or go_on.wait(10)
            yield block

    monkeypatch.setattr(audio, "stream", halting)
    short = Listening(voice="loudness", cutting=Cutting(longest=3.0, pause=0.3, overlap=1.2, rest=2.0, margin=0.2))
    listener = Once(lambda: SpeechPipeline.load(trained_speech_bundle, listening=short))
    server = start(Desk(ServedBundles([ServedBundle("short", "speech", listener)]), tmp_path))
    try:
        files, fields = {"file": file.getvalue()}, {"stream": "true"}
        with httpx.stream("POST", server.address + AUDIO, files=files, data=fields, timeout=20) as answer:
            pieces = answer.iter_text()
            assert events(next(pieces))[0]["type"] == "transcript.text.delta"
            go_on.set()
            done = events("".join(pieces))[-1]
        assert done["text"] == SpeechPipeline.load(trained_speech_bundle, listening=short)(file.getvalue()).text
    finally:
        go_on.set()
        server.stop()


def test_a_picture_without_writing_says_so(server: Server) -> None:
    file = io.BytesIO()
    Image.new("L", (60, 40), 255).save(file, "PNG")
    answer = server.post(IMAGES, file.getvalue())
    assert answer.json() == {"text": "", "warning": "no writing was found in the uploaded file (60 x 40 pixels)."}
    assert answer.headers["x-recog-warning"] == answer.json()["warning"]
