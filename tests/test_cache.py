import errno
from pathlib import Path

import numpy as np
import pytest

from recog.cache import Array, Cache, key
from recog.errors import ConfigError


def arrays(count: int = 5) -> dict[str, Array]:
    random = np.random.default_rng(0)
    sounds: dict[str, Array] = {f"s{k}": random.integers(-9999, 9999, 50 + k, dtype=np.int16) for k in range(count)}
    return sounds | {f"p{k}": random.integers(0, 255, (12, 30 + k), dtype=np.uint8) for k in range(count)}


def filled(folder: Path) -> dict[str, Array]:
    cache, values = Cache(folder, 1), arrays()
    for name, value in values.items():
        cache.put(name, value)
    return values


def same(one: Array | None, other: Array) -> bool:
    return one is not None and one.dtype == other.dtype and np.array_equal(one, other)


def test_what_is_put_is_got_at_once_and_by_the_next_process(tmp_path: Path) -> None:
    cache, values = Cache(tmp_path, 1), arrays()
    for name, value in values.items():
        assert cache.get(name) is None
        cache.put(name, value)
        assert same(cache.get(name), value)
    assert all(same(cache.get(name), value) for name, value in values.items())
    again = Cache(tmp_path, 1)
    assert len(again) == len(values)
    assert all(same(again.get(name), value) for name, value in values.items())


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    one, other = Cache(tmp_path, 1), Cache(tmp_path, 1)
    values = arrays()
    for name, value in values.items():
        (one if name.startswith("s") else other).put(name, value)
    assert all(same(Cache(tmp_path, 1).get(name), value) for name, value in values.items())


def test_any_cut_loses_only_what_was_cut(tmp_path: Path) -> None:
    values = filled(tmp_path / "whole")
    (pack,) = (tmp_path / "whole").glob("*.pack")
    content, known = pack.read_bytes(), []
    for size in range(0, len(content) + 1, 97):
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / "a.pack").write_bytes(content[:size])
        cache = Cache(folder, 1)
        found = [name for name in values if cache.get(name) is not None]
        assert found == list(values)[: len(found)]
        assert all(same(cache.get(name), values[name]) for name in found)
        known.append(len(found))
    assert known == sorted(known)
    assert known[0] == 0 and known[-1] >= len(values) - 1


def test_a_flipped_byte_is_no_sample(tmp_path: Path) -> None:
    values = filled(tmp_path)
    (pack,) = tmp_path.glob("*.pack")
    content = bytearray(pack.read_bytes())
    content[-1] ^= 1
    pack.write_bytes(content)
    cache = Cache(tmp_path, 1)
    assert cache.get("p4") is None
    assert same(cache.get("p3"), values["p3"])
    cache.put("p4", values["p4"])
    assert same(cache.get("p4"), values["p4"])


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\xff" * 3000,
        b'{"key": 1}\n',
        b'{"key": "a", "type": "object", "shape": [1], "sum": 0}\n12345678',
        b'{"key": "a", "type": "uint8", "shape": [-1, -2], "sum": 0}\n12',
        b"[]\n",
    ],
)
def test_foreign_files_are_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pack").write_bytes(content)
    assert len(Cache(tmp_path, 1)) == 0


def test_the_limit_is_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1e-5)  # 10 kB
    for number in range(40):
        cache.put(str(number), np.zeros(500, np.int16))
    assert 5000 < sum(path.stat().st_size for path in tmp_path.iterdir()) <= 10000
    filled = len(cache)
    other = Cache(tmp_path, 1e-5)  # what is there counts
    other.put("x", np.zeros(500, np.int16))
    assert len(other) <= filled + 1


def test_a_full_disk_is_told_of_once_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = Cache(tmp_path, 1)
    cache.put("a", np.zeros(5, np.int16))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        cache.put("b", np.zeros(5, np.int16))
    for name in ("b", "c"):
        cache.put(name, np.zeros(5, np.int16))
        assert cache.get(name) is None  # the disk may be as it was, it is left alone
    assert capsys.readouterr().err.count("takes no more (No space left on device); going on without") == 1
    assert same(cache.get("a"), np.zeros(5, np.int16))


def test_a_key_follows_the_file_and_how_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"1")
    first = key(path, "audio 16000")
    assert first == key(path, "audio 16000")
    assert first != key(path, "audio 8000")
    path.write_bytes(b"22")
    assert first != key(path, "audio 16000")


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^data\.cache: .* cannot be made a folder"):
        Cache(tmp_path / "file" / "in it", 1)
