"""Shards of corpora: hostile and broken ones are refused, unpacking goes on where it stopped, odd rows are left out."""

import io
import tarfile
from pathlib import Path

import pytest
from sources import write_rows, write_tar, write_text

from recog.corpora import shards
from recog.errors import ManifestError


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


@pytest.mark.parametrize(
    ("hostile", "sentence"),
    [
        (member("/etc/passwd"), "absolute path"),
        (member("C:/windows/a.wav"), "absolute path"),
        (member("a\\..\\..\\b.wav"), "absolute path"),
        (member("../b.wav"), "leaves the folder"),
        (member("a/../../b.wav"), "leaves the folder"),
        (member("."), "leaves the folder"),
        (member("link.wav", tarfile.SYMTYPE, link="/etc/passwd"), "link to '/etc/passwd'"),
        (member("link.wav", tarfile.LNKTYPE, link="good.wav"), "link to 'good.wav'"),
        (member("pipe.wav", tarfile.FIFOTYPE), "not a plain file"),
        (member("disk.wav", tarfile.BLKTYPE), "not a plain file"),
        (member("bell\a.wav"), "control characters"),
        (member("good.wav", size=3), "already come"),
        (member("./good.wav", size=3), "already come"),
    ],
)
def test_hostile_members_are_refused_before_anything_is_written(
    tmp_path: Path, hostile: tarfile.TarInfo, sentence: str
) -> None:
    write_tar(tmp_path / "train-00.tar", {"good.wav": b"good"}, hostile)
    with pytest.raises(ManifestError, match=sentence):
        shards.contents([tmp_path / "train-00.tar"])
    # Unpacking looks for itself: it does not lean on somebody having looked before.
    if "come" not in sentence:
        with pytest.raises(ManifestError, match=sentence):
            shards.unpack([tmp_path / "train-00.tar"], tmp_path / "out", 2)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} <= {"train-00.tar", "good.wav"}


def test_a_member_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "LIMIT_BYTES", 1000)
    write_tar(tmp_path / "a.tar", {"just.wav": bytes(1000)})
    assert shards.contents([tmp_path / "a.tar"]) == {"just.wav": 1000}
    write_tar(tmp_path / "b.tar", {"large.wav": bytes(1001)})
    with pytest.raises(ManifestError, match="1001 bytes, more than the limit of 1000"):
        shards.contents([tmp_path / "b.tar"])


@pytest.mark.parametrize("cut", [700, 1500, 2100])
def test_a_shard_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    write_tar(tmp_path / "a.tar", {"one.wav": bytes(900), "two.wav": bytes(900)})
    (tmp_path / "a.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:cut])
    with pytest.raises(ManifestError, match=r"a\.tar is damaged or cut off"):
        shards.contents([tmp_path / "a.tar"])


def test_an_interrupted_unpacking_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {f"s/{number}.opus": bytes([number]) * (100 + number) for number in range(10)}
    write_tar(tmp_path / "a.tar", content)
    copied: list[str] = []
    real = shards.shutil.copyfileobj

    def copy(source: tarfile.ExFileObject, target: io.BufferedWriter) -> None:
        copied.append(Path(target.name).name)
        if len(copied) == 4:
            target.write(source.read(50))
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(shards.shutil, "copyfileobj", copy)
    with pytest.raises(KeyboardInterrupt):
        shards.unpack([tmp_path / "a.tar"], tmp_path / "out", 10)
    # Three whole files and one half file, which does not bear its name yet.
    assert sorted(path.name for path in (tmp_path / "out" / "s").iterdir() if path.suffix == ".opus") == [
        "0.opus",
        "1.opus",
        "2.opus",
    ]
    (tmp_path / "out" / "s" / "1.opus").write_bytes(b"cut")  # another size: not what the shard holds
    copied.append("")
    shards.unpack([tmp_path / "a.tar"], tmp_path / "out", 10)
    assert copied[5:] == ["1.opus.partial", *(f"{number}.opus.partial" for number in range(3, 10))]
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "s").iterdir()} == {
        name.removeprefix("s/"): data for name, data in content.items()
    }
    shards.unpack([tmp_path / "a.tar"], tmp_path / "out", 10)
    assert len(copied) == 13


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("He was born in 1492", "a figure, £, $ or &"),
        ("Price & Sons", "a figure, £, $ or &"),
        ("for a £ more", "a figure, £, $ or &"),
        ("Mr. Brown", "an abbreviation with a point"),
        ("lamps, etc.", "an abbreviation with a point"),
        ("No. Nos.", "an abbreviation with a point"),
        ("  ", "empty text"),
        ("MISTER BROWN", None),
        ("Go to the farm. Post it.", None),  # words that merely end in letters of an abbreviation
        ("Mr Brown", None),
    ],
)
def test_speech_that_no_rule_can_spell_is_left_out_of_training_only(
    tmp_path: Path, text: str, reason: str | None
) -> None:
    row = {"audio": "a.opus", "text": text}
    write_rows(tmp_path / "train.jsonl", [row])
    write_rows(tmp_path / "dev.jsonl", [row])
    found = shards.sift(tmp_path / "train.jsonl", {"a.opus": 1})
    assert found.left_out == ({reason: ["a.opus"]} if reason else {})
    assert [sample.row for sample in found.samples] == ([] if reason else [row])
    assert [sample.row for sample in shards.sift(tmp_path / "dev.jsonl", {"a.opus": 1}).samples] == [row]


@pytest.mark.parametrize(
    ("text", "kept"), [("le # mot", 0), ("⋎", 0), ("¥", 0), ("⎀", 0), ("a‸b", 0), ("5 £ & Mr.", 1)]
)
def test_lines_with_editorial_dummies_are_left_out_of_training(tmp_path: Path, text: str, kept: int) -> None:
    write_rows(tmp_path / "lines-train.jsonl", [{"image": "a.webp", "text": text}])
    assert len(shards.sift(tmp_path / "lines-train.jsonl", {"a.webp": 1}).samples) == kept


def test_rows_whose_shard_is_missing(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"audio": "a.opus", "text": "a"}, {"audio": "b.opus", "text": "b"}]
    for name in ("train.jsonl", "dev.jsonl"):
        write_rows(tmp_path / name, rows)
    training = shards.sift(tmp_path / "train.jsonl", {"a.opus": 1})
    assert (len(training.samples), training.left_out) == (1, {"its file in no shard": ["b.opus"]})
    with pytest.raises(ManifestError, match=r"dev\.jsonl names 1 files that no shard .* first b\.opus"):
        shards.sift(tmp_path / "dev.jsonl", {"a.opus": 1})
    assert shards.sift(tmp_path / "dev.jsonl", {}).left_out == {"its file in no shard": ["a.opus", "b.opus"]}


@pytest.mark.parametrize(
    ("content", "sentence"), [('{"a": 1', "line 2 of .* not JSON"), ("[1]", "line 2 of .* is a list")]
)
def test_malformed_shard_manifests_are_refused_by_line(tmp_path: Path, content: str, sentence: str) -> None:
    write_text(tmp_path / "dev.jsonl", '{"audio": "a.opus", "text": "a"}\n' + content)
    with pytest.raises(ManifestError, match=sentence):
        shards.sift(tmp_path / "dev.jsonl", {"a.opus": 1})
