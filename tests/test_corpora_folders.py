"""Folders of recordings, of lines and in LibriSpeech's layout, whose right answer is known because the test built them."""

from pathlib import Path

import av
import pytest
from conftest import draw_line, tone_wave
from recordings import Kind, encode
from sources import write_text, write_wav

from recog.corpora import duration, folder, librispeech, lines
from recog.corpora.found import Found, walk, written_path
from recog.errors import InputError, ManifestError


def test_seconds_come_from_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(duration.audio, "read")  # decoding a whole corpus would take hours
    write_wav(tmp_path / "a.wav", 1.25)
    assert duration.seconds(tmp_path / "a.wav") == 1.25


def test_a_recording_without_length_in_its_header_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "recorder.webm"
    path.write_bytes(encode(tone_wave(seconds=2.0, rate_hz=48000), Kind("live", "webm", "libopus", 48000, piped=True)))
    with av.open(str(path)) as container:
        assert container.duration is None
    assert duration.seconds(path) == pytest.approx(2.0, abs=0.03)


def test_what_holds_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"not a recording")
    with pytest.raises(InputError, match=r"a\.wav"):
        duration.seconds(tmp_path / "a.wav")


def test_folder_reads_pairs_and_names_the_rest(tmp_path: Path) -> None:
    source = tmp_path / "voices"
    write_wav(source / "deep" / "one.wav", 0.5)
    write_text(source / "deep" / "one.txt", "\ufeff Hello\n  there \n")
    write_wav(source / "two.WAV", 0.25)
    write_text(source / "two.txt", "Two")
    write_wav(source / "mute.wav", 0.5)
    write_wav(source / "blank.wav", 0.5)
    write_text(source / "blank.txt", " \n")
    write_wav(source / "latin.wav", 0.5)
    (source / "latin.txt").write_bytes("é".encode("latin-1"))
    write_text(source / "broken.mp3", "no sound")
    write_text(source / "broken.txt", "Broken")
    write_text(source / "alone.txt", "Alone")
    found = folder.read(source, tmp_path)
    assert [sample.row for sample in found.samples] == [
        {"audio": "voices/deep/one.wav", "text": "Hello there", "duration": 0.5, "source": "voices"},
        {"audio": "voices/two.WAV", "text": "Two", "duration": 0.25, "source": "voices"},
    ]
    assert found.left_out == {
        "no .txt beside the recording": ["mute.wav"],
        "empty text": ["blank.wav"],
        "text that cannot be read as UTF-8": ["latin.wav"],
        "unreadable recording": ["broken.mp3"],
        "no recording beside the .txt": ["alone.txt"],
    }


def test_two_formats_of_one_recording_stay_together(tmp_path: Path) -> None:
    for suffix in (".wav", ".ogg"):
        write_wav(tmp_path / f"one{suffix}", 0.25)
    write_text(tmp_path / "one.txt", "one")
    assert [sample.group for sample in folder.read(tmp_path, tmp_path).samples] == ["one", "one"]


@pytest.mark.parametrize(
    ("read", "looked_for"), [(folder.read, r"\.wav"), (lines.read, r"gt\.txt"), (librispeech.read, r"trans\.txt")]
)
def test_a_source_with_nothing_usable_is_refused(tmp_path: Path, read: object, looked_for: str) -> None:
    assert callable(read)
    with pytest.raises(ManifestError, match=f"looked for .*{looked_for}.*found none"):
        read(tmp_path, tmp_path)
    with pytest.raises(ManifestError, match="not a folder"):
        read(tmp_path / "missing", tmp_path)


def test_refusal_tells_what_was_met_instead(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", 0.25)
    with pytest.raises(ManifestError, match=r"1 x no \.txt beside the recording \(first: a\.wav\)"):
        folder.read(tmp_path, tmp_path)


def test_file_names_in_other_encodings_are_named_not_written(tmp_path: Path) -> None:
    (tmp_path / "caf\udce9.wav").write_bytes(b"")
    (tmp_path / "café.wav").write_bytes(b"")
    found = Found()
    assert [path.name for path in walk(tmp_path, found)] == ["café.wav"]
    assert list(found.left_out) == ["a file name that is not UTF-8"]
    assert found.left_out["a file name that is not UTF-8"][0].endswith(r"caf\udce9.wav")


def test_paths_are_relative_only_below_the_manifest(tmp_path: Path) -> None:
    assert written_path(tmp_path / "a" / "b.wav", tmp_path) == "a/b.wav"
    assert written_path(tmp_path / "b.wav", tmp_path / "out") == str(tmp_path / "b.wav")
    assert written_path(tmp_path / "out" / ".." / "b.wav", tmp_path) == "b.wav"


def test_lines_take_the_best_picture_of_each_text(tmp_path: Path) -> None:
    line = draw_line("abc")
    for name in ("0001.png", "0001.bin.png", "0001.nrm.png", "p/0002.bin.png", "p/0002.nrm.png", "scan.v2.TIF"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        line.save(tmp_path / name)
    line.save(tmp_path / "page.png")
    write_text(tmp_path / "0001.gt.txt", "first\n")
    write_text(tmp_path / "p" / "0002.gt.txt", "second")
    write_text(tmp_path / "scan.v2.gt.txt", "third")
    write_text(tmp_path / "0004.gt.txt", "no picture")
    write_text(tmp_path / "0005.gt.txt", "damaged")
    (tmp_path / "0005.png").write_bytes((tmp_path / "page.png").read_bytes()[:60])
    write_text(tmp_path / "0006.gt.txt", "")
    line.save(tmp_path / "0006.png")
    found = lines.read(tmp_path, tmp_path)
    rows = [(sample.row["image"], sample.row["text"]) for sample in found.samples]
    assert rows == [("0001.png", "first"), ("p/0002.nrm.png", "second"), ("scan.v2.TIF", "third")]
    assert found.left_out == {
        "no image beside the .gt.txt": ["0004"],
        "unreadable image": ["0005.png"],
        "empty text": ["0006"],
        "no .gt.txt beside the image": ["page.png"],
    }


def test_librispeech_reads_every_chapter(tmp_path: Path) -> None:
    chapter = tmp_path / "LibriSpeech" / "dev-clean-2" / "84" / "121123"
    write_wav(chapter / "84-121123-0000.flac", 0.5)
    write_wav(chapter / "84-121123-0002.flac", 0.5)
    write_wav(chapter / "84-121123-0009.flac", 0.5)
    write_text(chapter / "84-121123-0003.flac", "no sound")
    write_text(
        chapter / "84-121123.trans.txt",
        "84-121123-0000 GO DO YOU HEAR\n84-121123-0001 LOST\n84-121123-0002\n84-121123-0003 NOISE\n",
    )
    found = librispeech.read(tmp_path / "LibriSpeech", tmp_path)
    assert [sample.row for sample in found.samples] == [
        {
            "audio": "LibriSpeech/dev-clean-2/84/121123/84-121123-0000.flac",
            "text": "GO DO YOU HEAR",
            "duration": 0.5,
            "speaker": "84",
            "source": "dev-clean-2",
        }
    ]
    assert found.left_out == {
        "no recording for the line": ["84-121123-0001"],
        "empty text": ["84-121123-0002"],
        "unreadable recording": ["84-121123-0003"],
        "no line for the recording": ["dev-clean-2/84/121123/84-121123-0009.flac"],
    }
    inside = librispeech.read(tmp_path / "LibriSpeech" / "dev-clean-2", tmp_path)
    assert inside.samples == found.samples
