import io
import tarfile
from pathlib import Path

import pytest
import soundfile
import torch
from conftest import TINY_SPEECH, draw_line, tone_wave

from recog import archive, frontend, image, manifest
from recog.data import length
from recog.errors import InputError


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_members_are_read_byte_for_byte(tmp_path: Path) -> None:
    files = {"a.bin": b"", "b/c.bin": bytes(range(256)) * 9, "d" * 150 + ".bin": b"long name", "./e.bin": b"e"}
    tar = write_tar(tmp_path / "s.tar", files)
    for name, content in files.items():
        assert archive.resolve(tar / name) == content
    assert archive.members(archive.Place(tar, "")) == ["a.bin", "b/c.bin", "d" * 150 + ".bin", "e.bin"]
    assert archive.members(archive.Place(tar, "b")) == ["b/c.bin"]
    assert archive.place(tar / "b" / "c.bin") == archive.Place(tar, "b/c.bin")


def test_ordinary_paths_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "folder.tar").mkdir()
    for source in (
        tmp_path / "folder.tar" / "a.wav",
        tmp_path / "x.wav",
        "x.tar.wav",
        b"bytes",
        tmp_path / "no.tar" / "a",
    ):
        assert archive.resolve(source) == source
    tar = write_tar(tmp_path / "s.tar", {"a": b"1"})
    assert archive.resolve(tar) == tar


def test_a_tar_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "s.tar", {"a": b"old"})
    assert archive.resolve(tar / "a") == b"old"
    tar.unlink()
    write_tar(tar, {"x": b"y" * 20000, "a": b"new"})
    assert archive.resolve(tar / "a") == b"new"


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "s.tar", {"a": b"1"})
    with pytest.raises(InputError, match=r"s\.tar holds no plain file 'b'"):
        archive.resolve(tar / "b")
    with pytest.raises(InputError, match=r"holds no plain file '\.\./s\.tar'"):
        archive.read(archive.Place(tar, "../s.tar"))
    (tmp_path / "cut.tar").write_bytes(write_tar(tmp_path / "w.tar", {"a": b"1" * 5000}).read_bytes()[:2000])
    with pytest.raises(InputError, match=r"cut off|cannot be read as an uncompressed tar"):
        archive.resolve(tmp_path / "cut.tar" / "a")
    with tarfile.open(tmp_path / "zipped.tar", "w:gz") as zipped:
        zipped.add(tar, "a")
    with pytest.raises(InputError, match="unpack a compressed one"):
        archive.resolve(tmp_path / "zipped.tar" / "a")
    with pytest.raises(InputError, match="holds 'a' twice"):
        archive.resolve(twice(tmp_path / "twice.tar") / "a")


def twice(path: Path) -> Path:
    with tarfile.open(path, "w") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("a"), io.BytesIO(b""))
    return path


def test_links_are_no_members(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo(f"link{kind.decode()}")
            link.type, link.linkname = kind, str(secret)
            tar.addfile(link)
    assert archive.members(archive.Place(tmp_path / "s.tar", "")) == []
    with pytest.raises(InputError, match="holds no plain file"):
        archive.resolve(tmp_path / "s.tar" / "link2")


def test_rows_in_a_tar_are_the_same_samples_as_files(tmp_path: Path) -> None:
    sound, picture = io.BytesIO(), io.BytesIO()
    soundfile.write(sound, tone_wave(700, 0.5, 8000), 8000, format="WAV")
    draw_line("in a tar").save(picture, "PNG")
    files = {"a/b.wav": sound.getvalue(), "c.png": picture.getvalue(), "bad.wav": b"nothing"}
    write_tar(tmp_path / "shard-0.tar", files)
    (tmp_path / "b.wav").write_bytes(files["a/b.wav"])
    manifest.write(
        tmp_path / "m.jsonl",
        [{"audio": "shard-0.tar/a/b.wav", "text": "x"}, {"image": "shard-0.tar/c.png", "text": "y"}],
    )
    heard, seen = manifest.read(tmp_path / "m.jsonl")
    assert torch.equal(frontend.extract(heard.path, TINY_SPEECH), frontend.extract(tmp_path / "b.wav", TINY_SPEECH))
    assert length(heard, TINY_SPEECH) == 51
    assert image.upright_size(seen.path) == draw_line("in a tar").size
    assert image.read(seen.path).tobytes() == draw_line("in a tar").tobytes()
    with pytest.raises(InputError, match=r"shard-0\.tar/bad\.wav is not a recording"):
        frontend.extract(tmp_path / "shard-0.tar" / "bad.wav", TINY_SPEECH)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "b.wav",
        "m.jsonl",
        "shard-0.tar",
    ]  # nothing was unpacked
