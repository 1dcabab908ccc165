"""`prepare`: from built corpora to manifests that the rest of recog reads back, and the laws of overwriting."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import draw_line
from sources import wav, write_rows, write_tar, write_text, write_wav

from pipelines import preparation
from pipelines.preparation import KINDS, prepare
from recog import audio, image, manifest
from recog.corpora import toy
from recog.errors import ConfigError, ManifestError


def data_folder(folder: Path) -> Path:
    """A small data folder with both rooms: a row to leave out in each, noises and pages with no text of their own."""
    speech = {name: wav(bytes(400 * (k + 1)), 8000) for k, name in enumerate(("s/0.wav", "s/1.wav", "s/2.wav"))}
    rows: list[dict[str, object]] = [
        {"audio": name, "text": text, "speaker": f"v{k}", "duration": 0.025, "shard": 0}
        for k, (name, text) in enumerate(zip(speech, ("HELLO", "In 1492", "Mr. \u2028Brown"), strict=True))
    ]
    write_tar(folder / "speech" / "train-00.tar", {"s/0.wav": speech["s/0.wav"], "s/1.wav": speech["s/1.wav"]})
    write_tar(folder / "speech" / "dev-00.tar", {"s/2.wav": speech["s/2.wav"]})
    write_tar(folder / "speech" / "noise.tar", {"noise/dog.wav": wav(bytes(800), 8000)})
    write_rows(folder / "speech" / "train.jsonl", rows[:2])
    write_rows(folder / "speech" / "dev.jsonl", [{**rows[2], "part": "report"}])
    write_rows(folder / "speech" / "noise.jsonl", [{"audio": "noise/dog.wav", "kind": "noise", "part": "dev"}])
    drawn = folder / "drawn.png"
    draw_line("abc").save(drawn)
    names = ("h/0.png", "h/1.png", "h/2.png", "pages/p.png")
    write_tar(folder / "hand" / "lines-00.tar", {name: drawn.read_bytes() for name in names})
    write_rows(
        folder / "hand" / "lines-train.jsonl", [{"image": "h/0.png", "text": "Ab"}, {"image": "h/1.png", "text": "#"}]
    )
    write_rows(folder / "hand" / "lines-dev.jsonl", [{"image": "h/2.png", "text": "¥", "part": "tune"}])
    page: dict[str, object] = {
        "image": "pages/p.png",
        "width": 9,
        "height": 9,
        "lines": [{"text": "#", "baseline": [[0, 1]]}],
    }
    write_rows(folder / "hand" / "pages-dev.jsonl", [page])
    return folder


def objects(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_shards_are_unpacked_and_their_training_rows_sifted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = data_folder(tmp_path / "data"), tmp_path / "out"
    prepared = prepare("shards", source, out)
    assert prepared.manifests == {
        out / "speech" / "train.jsonl": 1,
        out / "speech" / "dev.jsonl": 1,
        out / "speech" / "noise.jsonl": 1,
        out / "hand" / "train.jsonl": 1,
        out / "hand" / "dev.jsonl": 1,
        out / "hand" / "pages-dev.jsonl": 1,
    }
    assert prepared.left_out == {
        "a figure, £, $ or & (speech/train.jsonl)": 1,
        "an editorial dummy (# ⋎ ¥ ⎀ ‸) (hand/lines-train.jsonl)": 1,
    }
    told = capsys.readouterr()
    assert told.out == "" and "left out: 1 x a figure, £, $ or & (speech/train.jsonl): s/1.wav\n" in told.err
    # Rows are those of the source, word for word, and their files can be opened from where they stand.
    for room, name in (("speech", "dev"), ("speech", "noise"), ("hand", "pages-dev")):
        assert objects(out / room / f"{name}.jsonl") == objects(source / room / f"{name}.jsonl")
    assert objects(out / "hand" / "dev.jsonl") == objects(source / "hand" / "lines-dev.jsonl")
    (row,) = manifest.read(out / "speech" / "train.jsonl")
    assert (row.id, row.text, audio.read(row.path, 8000).size) == ("s/0.wav", "HELLO", 200)
    (dev,) = manifest.read(out / "speech" / "dev.jsonl", "report")
    assert dev.text == "Mr. \u2028Brown"
    (line,) = manifest.read(out / "hand" / "train.jsonl")
    assert image.read(line.path).width > 0


@pytest.mark.parametrize("room", ["speech", "hand"])
def test_one_room_alone_is_recognised_by_what_its_rows_hold(tmp_path: Path, room: str) -> None:
    source = (data_folder(tmp_path / "data") / room).rename(tmp_path / "renamed")
    prepared = prepare("shards", source, tmp_path / "out")
    assert {path.parent for path in prepared.manifests} == {tmp_path / "out" / room}


def test_shards_are_not_unpacked_among_themselves(tmp_path: Path) -> None:
    source = data_folder(tmp_path / "data")
    before = sorted(source.rglob("*"))
    with pytest.raises(ManifestError, match="holds the shards themselves"):
        prepare("shards", source, source, force=True)
    assert sorted(source.rglob("*")) == before
    with pytest.raises(ManifestError, match=r"no tar shards: looked for \*\.tar"):
        prepare("shards", tmp_path, tmp_path / "out")


def test_a_hostile_shard_leaves_nothing_behind(tmp_path: Path) -> None:
    source = data_folder(tmp_path / "data")
    write_tar(source / "speech" / "zz.tar", {"../../stolen.wav": b"x"})
    with pytest.raises(ManifestError, match="leaves the folder"):
        prepare("shards", source, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (tmp_path / "stolen.wav").exists()


def recordings(folder: Path, count: int) -> Path:
    for number in range(count):
        write_wav(folder / f"{number:02d}.wav", 0.05)
        write_text(folder / f"{number:02d}.txt", f"text {number}")
    return folder


def test_folder_becomes_train_and_dev(tmp_path: Path) -> None:
    source = recordings(tmp_path / "out" / "voices", 40)
    prepared = prepare("folder", source, tmp_path / "out")
    assert prepared.manifests == {tmp_path / "out" / "train.jsonl": 38, tmp_path / "out" / "dev.jsonl": 2}
    train, dev = (manifest.read(tmp_path / "out" / name) for name in ("train.jsonl", "dev.jsonl"))
    assert sorted(row.id for row in train + dev) == [f"voices/{number:02d}.wav" for number in range(40)]
    assert all(row.path.is_file() and row.duration == 0.05 for row in train + dev)
    assert [row.fields["part"] for row in dev] == ["tune", "report"]
    # The split hangs on names inside the source: elsewhere, with absolute paths, the same rows are for dev.
    prepare("folder", source, tmp_path / "elsewhere")
    moved = manifest.read(tmp_path / "elsewhere" / "dev.jsonl")
    assert [row.id for row in moved] == [str(source / Path(row.id).name) for row in dev]


def test_nineteen_samples_have_none_to_spare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepared = prepare("folder", recordings(tmp_path, 19), tmp_path)
    assert prepared.manifests == {tmp_path / "train.jsonl": 19}
    assert not (tmp_path / "dev.jsonl").exists()
    assert "19 samples are too few" in capsys.readouterr().err


def test_what_is_left_out_is_counted_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recordings(tmp_path, 6)
    for number in range(1, 6):
        (tmp_path / f"0{number}.txt").write_text(" ")
    assert prepare("folder", tmp_path, tmp_path / "out").left_out == {"empty text": 5}
    assert "left out: 5 x empty text: 01.wav, 02.wav, 03.wav, ...\n" in capsys.readouterr().err


def test_lines_become_a_manifest(tmp_path: Path) -> None:
    draw_line("abc").save(tmp_path / "1.nrm.png")
    write_text(tmp_path / "1.gt.txt", "abc")
    prepare("lines", tmp_path, tmp_path)
    (row,) = manifest.read(tmp_path / "train.jsonl")
    assert (row.id, row.media, row.text) == ("1.nrm.png", "image", "abc")


def librispeech(folder: Path, subsets: dict[str, int]) -> Path:
    """Subset -> so many speakers with one chapter of two utterances each."""
    speaker = 0
    for subset, speakers in subsets.items():
        for _ in range(speakers):
            speaker += 1
            chapter = folder / subset / str(speaker) / "7"
            for number in range(2):
                write_wav(chapter / f"{speaker}-7-000{number}.wav", 0.05)
            write_text(chapter / f"{speaker}-7.trans.txt", f"{speaker}-7-0000 ONE\n{speaker}-7-0001 TWO\n")
    return folder


def test_official_subsets_are_kept_apart(tmp_path: Path) -> None:
    source = librispeech(tmp_path / "in", {"train-clean-5": 3, "train-other": 1, "dev-clean-2": 2, "test-clean": 1})
    out = tmp_path / "out"
    names = {path.name: count for path, count in prepare("librispeech", source, out).manifests.items()}
    assert names == {
        "train.jsonl": 8,
        "dev.jsonl": 4,
        "train-clean-5.jsonl": 6,
        "train-other.jsonl": 2,
        "dev-clean-2.jsonl": 4,
        "test-clean.jsonl": 2,
    }
    assert {row.fields["source"] for row in manifest.read(out / "train.jsonl")} == {"train-clean-5", "train-other"}
    assert [row.fields["part"] for row in manifest.read(out / "dev.jsonl")] == ["tune", "report"] * 2


def test_without_an_official_dev_subset_whole_speakers_are_split_off(tmp_path: Path) -> None:
    source = librispeech(tmp_path / "in", {"train-a": 20, "test-clean": 1})
    prepare("librispeech", source, tmp_path / "out")
    voices = [
        {row.fields["speaker"] for row in manifest.read(tmp_path / "out" / f"{name}.jsonl")}
        for name in ("train", "dev")
    ]
    assert (len(voices[0]), len(voices[1])) == (19, 1) and not voices[0] & voices[1]


def test_a_single_subset_is_split_whatever_its_name(tmp_path: Path) -> None:
    source = librispeech(tmp_path / "in", {"dev-clean-2": 20})
    prepared = prepare("librispeech", source, tmp_path / "out")
    assert {path.name: count for path, count in prepared.manifests.items()} == {"train.jsonl": 38, "dev.jsonl": 2}


def test_a_subset_called_dev_does_not_lose_its_parts(tmp_path: Path) -> None:
    source = librispeech(tmp_path / "in", {"dev": 1, "train": 1})
    prepare("librispeech", source, tmp_path / "out")
    assert [row.fields["part"] for row in manifest.read(tmp_path / "out" / "dev.jsonl")] == ["tune", "report"]


def test_toys_need_no_source_and_are_the_same_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy, "TRAIN_ROWS", 6)
    monkeypatch.setattr(toy, "DEV_ROWS", 4)
    first, second = tmp_path / "first", tmp_path / "second"
    prepared = prepare("toy", None, first)
    assert {str(path.relative_to(first)): count for path, count in prepared.manifests.items()} == {
        "speech/train.jsonl": 6,
        "speech/dev.jsonl": 4,
        "hand/train.jsonl": 6,
        "hand/dev.jsonl": 4,
    }
    prepare("toy", Path("-"), second)
    files = [path.relative_to(first) for path in first.rglob("*") if path.is_file()]
    assert len(files) == 2 * 10 + 4
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in files)
    for row in manifest.read(first / "speech" / "train.jsonl"):
        assert row.duration == pytest.approx(audio.read(row.path).size / 16000, abs=0.001)
    assert [row.fields["part"] for row in manifest.read(first / "hand" / "dev.jsonl")] == ["tune", "report"] * 2


def test_a_manifest_of_other_content_is_replaced_only_by_force(tmp_path: Path) -> None:
    source, out = recordings(tmp_path / "voices", 40), tmp_path / "out"
    prepare("folder", source, out)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir()}
    prepare("folder", source, out)  # the same content: nothing to refuse, nothing to write
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir()} == before
    (out / "dev.jsonl").unlink()
    write_text(source / "00.txt", "another text")
    with pytest.raises(ManifestError, match=r"train\.jsonl exists with other content; nothing was changed"):
        prepare("folder", source, out)
    assert [path.name for path in out.iterdir()] == ["train.jsonl"]
    assert (out / "train.jsonl").read_bytes() == before["train.jsonl"][0]
    prepare("folder", source, out, force=True)
    assert "another text" in {row.text for name in before for row in manifest.read(out / name)}


def test_force_takes_away_a_dev_manifest_that_is_no_longer_made(tmp_path: Path) -> None:
    prepare("folder", recordings(tmp_path / "many", 20), tmp_path / "out")
    few = recordings(tmp_path / "few", 3)
    with pytest.raises(ManifestError, match="other content"):
        prepare("folder", few, tmp_path / "out")
    prepare("folder", few, tmp_path / "out", force=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["train.jsonl"]


@pytest.mark.parametrize(
    ("kind", "source", "sentence"),
    [
        ("tape", Path(), "unknown; choose one of shards, folder, lines, page, "),
        ("toy", Path("somewhere"), "needs no source"),
        ("folder", None, "needs a source"),
        ("shards", Path("-"), "needs a source"),
    ],
)
def test_kind_and_source_must_fit(tmp_path: Path, kind: str, source: Path | None, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        prepare(kind, source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_out_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    recordings(tmp_path / "voices", 1)
    write_text(tmp_path / "file", "mine")
    with pytest.raises(ManifestError, match="is a file"):
        prepare("folder", tmp_path / "voices", tmp_path / "file")
    with pytest.raises(ManifestError, match="cannot be written"):
        prepare("folder", tmp_path / "voices", tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "mine"


def test_every_kind_has_a_planner_and_a_line_of_help() -> None:
    assert list(KINDS) == list(preparation._PLANNERS)
    assert all(line and "\n" not in line for line in KINDS.values())
