"""Recordings of any length through the pipeline and the command: texts and times are those of the pieces they are built of."""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import LETTER_TONES_HZ, SPOKEN_TEXTS, TINY_SPEECH, spell_wave, tone_wave
from numpy.typing import NDArray
from torch import Tensor

from pipelines import SpeechPipeline, hearing, speech
from pipelines.cli import main
from pipelines.hearing import hear
from pipelines.rendering import Rendering, render
from pipelines.speech import Listening
from pipelines.transcript import SpeechTranscript, SpokenWord, Turn, turns_of
from pipelines.transcription import Job, Outcome, plan, transcribe_to
from recog import audio, checkpoint, memory
from recog.audio import Waveform
from recog.errors import ConfigError, InputError
from recog.formats import ctm, srt, textgrid, vtt
from recog.formats.timed import Timed
from recog.recognizer import DecodingOptions, Recognizer
from recog.segments import Cutting, segments
from recog.stitching import word_border as border
from recog.voice import LoudnessDetector

RATE_HZ = TINY_SPEECH.rate_hz
GREEDY = DecodingOptions(beam=0)
# Texts here are about a second each; there is half a second between them.
SHORT = Cutting(longest=3.0, pause=0.3, overlap=1.2, rest=2.0, margin=0.2)
LISTENING = Listening(voice="loudness", cutting=SHORT)


@pytest.fixture(scope="module")
def speaker(trained_speech_bundle: Path) -> SpeechPipeline:
    return SpeechPipeline.load(trained_speech_bundle, GREEDY, LISTENING)


def talk(texts: Sequence[str], pause: float = 0.5) -> tuple[Waveform, list[float]]:
    """The texts one after another with pauses, and the second in which each begins."""
    waves, starts, at = list[Waveform](), list[float](), 0.0
    for text in texts:
        starts.append(at)
        waves += [spell_wave(text, RATE_HZ), np.zeros(round(pause * RATE_HZ), np.float32)]
        at += (waves[-1].size + waves[-2].size) / RATE_HZ
    return np.concatenate(waves), starts


def test_a_long_recording_gives_freed_memory_back(speaker: SpeechPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    wave, _ = talk(SPOKEN_TEXTS * 2)
    ends = list[float]()
    given = list[float]()
    monkeypatch.setattr(speech, "TRIM_SECONDS", 5.0)
    monkeypatch.setattr(memory, "give_back", lambda: given.append(ends[-1]))
    for passage in speaker._passages([wave], 2):
        ends.append(passage.end)
    # By hand: whenever the passages so far, two at a time, end more than five seconds after the last time.
    expected, last = list[float](), 0.0
    for end in [*ends[1::2], *ends[-1:]][: -(-len(ends) // 2)]:
        if end - last > 5.0:
            expected.append(end)
            last = end
    assert given == expected and len(given) > 1


@pytest.mark.parametrize("pause", [0.5, 8.0])
def test_text_and_times_are_those_of_the_pieces(speaker: SpeechPipeline, tmp_path: Path, pause: float) -> None:
    wave, starts = talk(SPOKEN_TEXTS, pause)
    path, piece = tmp_path / "long.flac", tmp_path / "piece.wav"
    soundfile.write(path, wave, RATE_HZ)
    wave = audio.read(path, RATE_HZ)
    seen = list[tuple[float, float | None]]()
    found = speaker(path, lambda done, total: seen.append((done, total)))
    # The oracle: each piece as a recording of its own, its times moved to where it was cut.
    pieces = list(segments([wave], RATE_HZ, 160, lambda: LoudnessDetector(RATE_HZ), SHORT))
    assert sum(one.spoken for one in pieces) >= len(SPOKEN_TEXTS) / 2
    assert all(one.spoken for one in pieces) == (pause < 1)
    expected = []
    for one in pieces:
        if one.spoken:
            soundfile.write(piece, one.waveform, RATE_HZ, subtype="FLOAT")
            offset = one.start / RATE_HZ
            expected += [(word.text, word.start + offset, word.end + offset) for word in speaker(piece).words]
    assert [word.text for word in found.words] == [text for text, _, _ in expected]
    assert [word.start for word in found.words] == pytest.approx([start for _, start, _ in expected], abs=2e-3)
    assert [word.end for word in found.words] == pytest.approx([end for _, _, end in expected], abs=2e-3)
    # Every text is heard where it was said.
    for text, start in zip(SPOKEN_TEXTS, starts, strict=True):
        end = start + spell_wave(text, RATE_HZ).size / RATE_HZ
        assert any(word.start < end and word.end > start for word in found.words)
    # As bytes, and as a waveform, it is the same recording.
    assert speaker(path.read_bytes()) == found == speaker.transcript(wave)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 3
    assert seen[-1] == pytest.approx((found.duration, found.duration), abs=1e-3)


class Ear(Recognizer):
    """Hears each letter by its tone, and nothing of what is around it: what it hears does not depend on windows."""

    def looks(self, features: Sequence[Tensor]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        tones = [audio.log_mel(tone_wave(hz, 0.5, RATE_HZ), TINY_SPEECH)[20] for hz in LETTER_TONES_HZ.values()]
        bands = [int(tone.argmax()) for tone in tones]
        for number, matrix in enumerate(features):
            logits = torch.full((len(matrix), 6), -9.0)  # blank, space, a, b, c, d
            logits[:, 0] = 0.0
            logits[:, 2:] = matrix[:, bands]
            yield number, torch.log_softmax(logits[:: self.shortening], dim=1).numpy()[None]


def test_what_is_stitched_equals_the_whole(random_speech_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Letters without a pause; features as they are, without the normalisation that would tell windows apart.
    monkeypatch.setattr(audio, "features", audio.log_mel)
    letters = "".join(np.random.default_rng(0).choice(list("abcd"), 200))
    wave = spell_wave(letters, RATE_HZ) + np.random.default_rng(0).normal(0, 1e-4, 200 * 960 + 320).astype(np.float32)
    ear = Ear(checkpoint.load(random_speech_bundle), GREEDY)
    (whole,) = hear(ear, [wave], Cutting(longest=60.0), "loudness")
    never = Cutting(longest=3.0, pause=1.4, overlap=1.2, rest=None)
    (stitched,) = hear(ear, [wave[:5000], wave[5000:]], never, "loudness")
    assert np.array_equal(stitched.waveform, wave)
    assert np.allclose(stitched.looks, whole.looks, atol=1e-3)
    (read,) = ear.read([stitched.looks])
    assert read.text == letters
    # Longer than that it is parted between letters, and nothing is lost.
    monkeypatch.setattr(hearing, "LONGEST_STRETCH_SECONDS", 5.0)
    parts = list(hear(ear, [wave], never, "loudness"))
    assert len(parts) > 3
    assert np.array_equal(np.concatenate([part.waveform for part in parts]), wave)
    assert np.allclose(np.concatenate([part.looks for part in parts], axis=1), whole.looks, atol=1e-3)
    assert all(part.start == before.start + before.waveform.size for before, part in itertools.pairwise(parts))
    monkeypatch.setattr(
        hearing, "word_border", lambda log_probs, first, last, space: border(log_probs, first, last, None)
    )
    parts = list(hear(ear, [wave], never, "loudness"))
    assert "".join(found.text for found in ear.read([part.looks for part in parts])) == letters


def test_memory_does_not_grow(trained_speech_bundle: Path) -> None:
    """Of a recording without an end, no more is read than what is fed to the network."""
    wave, _ = talk(SPOKEN_TEXTS)
    read = 0

    def endless() -> Iterator[Waveform]:
        nonlocal read
        while True:
            read += wave.size
            yield wave

    heard = hear(Recognizer(checkpoint.load(trained_speech_bundle), GREEDY), endless(), SHORT, "loudness", together=2)
    for _ in range(30):
        stretch = next(heard)
        assert read - (stretch.start + stretch.waveform.size) < 2 * 3 * RATE_HZ + 2 * wave.size
        assert stretch.waveform.base is None or stretch.waveform.base.size < 4 * 3 * RATE_HZ


def test_each_channel_is_heard_alone(speaker: SpeechPipeline, trained_speech_bundle: Path, tmp_path: Path) -> None:
    first, second = talk(["abcd", "bad c"])[0], talk(["dcba"])[0]
    both = np.zeros((first.size, 2), np.float32)
    both[:, 0], both[RATE_HZ : RATE_HZ + second.size, 1] = first, second
    soundfile.write(tmp_path / "both.wav", both, RATE_HZ)
    alone = []
    for channel in (0, 1):
        soundfile.write(tmp_path / "one.wav", both[:, channel], RATE_HZ)
        alone.append(speaker(tmp_path / "one.wav").words)
    listening = replace(LISTENING, by_channel=True)
    found = SpeechPipeline.load(trained_speech_bundle, GREEDY, listening)(tmp_path / "both.wav")
    assert found.turns == turns_of(alone)
    assert {turn.channel for turn in found.turns} == {1, 2}
    assert found.words == tuple(word for turn in found.turns for word in turn.words)
    assert found.text == "\n".join(turn.text for turn in found.turns)
    assert found.duration == round(first.size / RATE_HZ, 3)


def test_turns_in_every_format() -> None:
    turns = (
        Turn(1, (SpokenWord("abcd", 0.0, 0.5, 1.0),)),
        Turn(2, (SpokenWord("dcba", 1.0, 1.5, 1.0),)),
        Turn(1, (SpokenWord("bad", 3.0, 3.3, 1.0), SpokenWord("c", 3.5, 3.7, 1.0))),
    )
    words = tuple(word for turn in turns for word in turn.words)
    found, path = SpeechTranscript("abcd\ndcba\nbad c", words, 4.0, False, turns), Path("two.wav")
    assert found.as_json()["turns"][1]["channel"] == 2
    assert "turns" not in replace(found, turns=()).as_json()
    assert render(found, path, Rendering("txt")) == b"Channel 1: abcd\nChannel 2: dcba\nChannel 1: bad c\n"
    assert [(cue.voice, cue.text) for cue in vtt.loads(render(found, path, Rendering("vtt")).decode())] == [
        ("Channel 1", "abcd"),
        ("Channel 2", "dcba"),
        ("Channel 1", "bad c"),
    ]
    shown = srt.loads(render(found, path, Rendering("srt")).decode())
    assert [one.text for one in shown] == ["1: abcd", "2: dcba", "1: bad c"]
    recordings = ctm.loads(render(found, path, Rendering("ctm")).decode())
    assert [(one.channel, len(one.words)) for one in recordings] == [("1", 3), ("2", 1)]
    grid = textgrid.loads(render(found, path, Rendering("textgrid")).decode())
    assert [(tier.name, len(tier.pieces)) for tier in grid.tiers] == [("channel 1", 3), ("channel 2", 1)]


def test_turns_by_hand() -> None:
    def word(text: str, start: float, end: float) -> SpokenWord:
        return SpokenWord(text, start, end, 1.0)

    # "a b" is one phrase though channel 2 says "hm" within; after a pause of 1 s channel 1 goes on with nobody between.
    one = [word("a", 0.0, 1.0), word("b", 1.5, 2.0), word("c", 3.0, 3.5)]
    two = [word("hm", 1.1, 1.2), word("d", 5.0, 6.0)]
    assert turns_of([one, two]) == (Turn(1, tuple(one[:2])), Turn(2, (two[0],)), Turn(1, (one[2],)), Turn(2, (two[1],)))
    assert turns_of([one, []]) == (Turn(1, tuple(one)),)
    assert turns_of([[], []]) == ()


def test_formats_hold_the_words() -> None:
    words = (SpokenWord("ab", 0.5, 0.75, 0.9), SpokenWord("c", 1.0, 1.5, 0.4))
    said, path = SpeechTranscript("ab c", words, 2.0), Path("a b.wav")
    timed = tuple(Timed(one.text, one.start, one.end, one.confidence) for one in words)
    assert render(said, path, Rendering()) == b"ab c\n"
    assert json.loads(render(said, path, Rendering("json"))) == {
        "file": "a b.wav",
        **json.loads(json.dumps(said.as_json())),
    }
    assert ctm.loads(render(said, path, Rendering("ctm")).decode()) == [ctm.CtmRecording("a_b", timed)]
    assert textgrid.loads(render(said, path, Rendering("textgrid")).decode()).tiers[0].name == "words"
    assert srt.loads(render(said, path, Rendering("srt")).decode()) == [Timed("ab c", 0.5, 1.5)]
    assert [cue.text for cue in vtt.loads(render(said, path, Rendering("vtt")).decode())] == ["ab c"]
    with pytest.raises(ConfigError, match="choose one of txt, json"):
        Rendering("rtf")
    with pytest.raises(ConfigError, match="format docx alone"):
        Rendering("txt", doubtful=0.5)


def test_names_of_outputs(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("a.wav", "b.mp3", "B.flac", "deep/a.ogg", "notes.md"):
        (tmp_path / "in" / name).write_bytes(b"")
    out = tmp_path / "out"
    jobs = plan([tmp_path / "in"], out, Rendering("textgrid"))
    assert [job.target.relative_to(out).as_posix() for job in jobs] == [
        "B.flac.TextGrid",
        "a.TextGrid",
        "b.mp3.TextGrid",
        "deep/a.TextGrid",
    ]
    with pytest.raises(ConfigError, match="several inputs would be written to"):
        plan([tmp_path / "in" / "a.wav", tmp_path / "in" / "a.wav"], out, Rendering())
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no files of a kind"):
        plan([tmp_path / "empty"], out, Rendering())


def test_a_file_that_is_there_is_skipped_in_a_folder_and_refused_alone(tmp_path: Path) -> None:
    said = SpeechTranscript("new", (), 1.0)
    (tmp_path / "a.txt").write_text("old")
    jobs = [Job(Path("a.wav"), tmp_path / "a.txt"), Job(Path("b.wav"), tmp_path / "sub" / "b.txt", resumable=True)]
    asked = list[Path]()

    def run(paths: Sequence[Path]) -> Iterator[Outcome]:
        asked.extend(paths)
        yield from (Outcome(path, said) for path in paths)

    first = list(transcribe_to(jobs, Rendering(), False, run))
    assert [(one.path.name, bool(one.failure), one.skipped) for one in first] == [
        ("a.wav", True, False),
        ("b.wav", False, False),
    ]
    assert "is there already; --force overwrites it" in first[0].failure
    second = list(transcribe_to(jobs[1:], Rendering(), False, run))
    assert [one.skipped for one in second] == [True]
    assert asked == [Path("b.wav")]
    assert (tmp_path / "a.txt").read_text() == "old"
    assert all(one.transcript for one in transcribe_to(jobs, Rendering(), True, run))
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "sub" / "b.txt").read_text() == "new\n"
    assert not list(tmp_path.rglob("*.partial"))


def test_a_folder_from_the_command_line_resumes_and_lists_failures(
    trained_speech_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    soundfile.write(folder / "one.wav", spell_wave("abcd", RATE_HZ), RATE_HZ)
    soundfile.write(folder / "two.wav", spell_wave("dcba", RATE_HZ), RATE_HZ)
    (folder / "bad.wav").write_text("no sound")
    call = [
        "transcribe",
        str(folder),
        "--bundle",
        str(trained_speech_bundle),
        "--greedy",
        "--format",
        "srt",
        "--out",
        str(out),
    ]
    assert main(call) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [str(out / "one.srt"), str(out / "two.srt")]
    assert "1 of 3 files failed:" in printed.err and "bad.wav is not a recording" in printed.err.splitlines()[-1]
    assert [cue.text for cue in srt.loads((out / "two.srt").read_text())] == ["dcba"]
    (folder / "bad.wav").unlink()
    (out / "one.srt").unlink()
    assert main(call) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [str(out / "one.srt")]
    assert "1 finished before" in printed.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--format", "docx"], "say with --out where it goes"),
        (["--force"], "--force is about files that --out writes"),
        (["--doubtful", "0.5"], "format docx alone"),
    ],
)
def test_calls_that_make_no_sense(options: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", "x.wav", *options]) == 1
    assert told in capsys.readouterr().err


def test_a_folder_needs_a_place_for_its_transcripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", str(tmp_path)]) == 1
    assert "is a folder; say with --out" in capsys.readouterr().err
