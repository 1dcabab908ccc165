"""Runs of their own process: what they are made from, how they are watched, stopped, gone on with and used."""

import json
import stat
import struct
import time
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import SPOKEN_TEXTS, TINY_HANDWRITING, TINY_SPEECH, WRITTEN_TEXTS, write_rows

from pipelines import fine_tuning, training, training_rows, unpacking
from pipelines.fine_tuning import DONE, FAILED, STOPPED, TRAINING, Run, Runs
from pipelines.training_rows import TrainingRows
from recog import checkpoint, manifest
from recog.ctc.calibration import Calibration
from recog.ctc.options import DecoderOptions
from recog.errors import ConfigError, InputError, ManifestError
from recog.language import Language
from recog.lm.wordlist import WordList


def zipped(path: Path, content: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, inside in content.items():
            archive.writestr(name, inside)
    return path


def test_a_zip_is_unpacked_without_what_is_of_no_use(tmp_path: Path) -> None:
    content = {"a/x.wav": b"1", "a/x.txt": b"2", "A.PNG": b"3", "run.exe": b"4", "__MACOSX/a.wav": b"5", ".x.wav": b"6"}
    told: list[tuple[int, int]] = []
    assert (
        unpacking.unpack(zipped(tmp_path / "a.zip", content), tmp_path / "out", 3, lambda *so_far: told.append(so_far))
        == 3
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    found = {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in (tmp_path / "out").rglob("*.*")
    }
    assert found == {"a/x.wav": b"1", "a/x.txt": b"2", "A.PNG": b"3"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../evil.wav", "which is not taken"),
        ("/evil.wav", "which is not taken"),
        ("a/../../evil.wav", "which is not taken"),
        ("..\\evil.wav", "which is not taken"),
        ("C:evil.wav", "which is not taken"),
        ("a\nb.wav", "which is not taken"),
        ("notes.pdf", "holds no recordings"),
        ("big.wav", "more than 0.001 MB unpacked"),
    ],
)
def test_a_zip_that_means_no_good_is_refused(tmp_path: Path, name: str, said: str) -> None:
    bomb = bytes(2000)  # deflated to a few bytes
    with pytest.raises(InputError, match=said):
        unpacking.unpack(zipped(tmp_path / "a.zip", {name: bomb}), tmp_path / "in" / "out", 1000)
    assert not list(tmp_path.rglob("evil*"))


def test_a_zip_whose_headers_lie_about_sizes_is_counted_not_believed(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.wav": bytes(100_000)})
    lied = path.read_bytes().replace(struct.pack("<I", 100_000), struct.pack("<I", 10))
    path.write_bytes(lied)
    with pytest.raises(InputError):
        unpacking.unpack(path, tmp_path / "out", 1000)
    assert sum(file.stat().st_size for file in (tmp_path / "out").rglob("*.wav")) <= 1000


@pytest.mark.parametrize("spoil", [lambda data: b"", lambda data: data[:30], lambda data: b"PK\x03\x04" + data[60:]])
def test_a_damaged_zip_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = zipped(tmp_path / "a.zip", {"a.wav": bytes(range(256)) * 9})
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InputError, match="not a zip that can be unpacked"):
        unpacking.unpack(path, tmp_path / "out", 10_000)


def test_links_and_second_files_of_a_name_are_no_way_out(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.wav")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert unpacking.unpack(tmp_path / "a.zip", tmp_path / "out", 1000) == 1
    assert not (tmp_path / "out" / "link.wav").is_symlink()
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("a.wav", b"file")
        archive.writestr("a.wav/b.wav", b"and folder")
    with pytest.raises(InputError, match="two files of one name"):
        unpacking.unpack(tmp_path / "b.zip", tmp_path / "second", 1000)


def test_whoever_is_told_may_end_the_unpacking_and_the_making_of_a_run(
    random_speech_bundle: Path, tmp_path: Path
) -> None:
    class EnoughError(Exception):
        pass

    told: list[tuple[int, int]] = []

    def enough(done: int, all_: int) -> None:
        told.append((done, all_))
        if len(told) == 3:
            raise EnoughError

    packed = zipped(tmp_path / "a.zip", {f"{number}.txt": b"12" for number in range(9)})
    with pytest.raises(EnoughError):
        unpacking.unpack(packed, tmp_path / "out", 1000, enough)
    assert told == [(2, 18), (4, 18), (6, 18)]

    write_rows(tmp_path / "rows", TINY_SPEECH, SPOKEN_TEXTS)
    for number, text in enumerate(SPOKEN_TEXTS):
        (tmp_path / "rows" / f"{number}.txt").write_text(text)
    (tmp_path / "rows" / "rows.jsonl").unlink()
    told.clear()
    with pytest.raises(EnoughError):
        Runs(tmp_path / "runs").begin("mine", str(random_speech_bundle), tmp_path / "rows", 1, False, enough)
    assert told == [(0, 8), (1, 8), (2, 8)] and not list(tmp_path.glob("runs/*"))


def test_pairs_and_manifests_become_rows_and_every_fifth_is_kept_apart(tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    write_rows(lines, TINY_HANDWRITING, WRITTEN_TEXTS)
    assert training_rows.gather(lines, "handwriting", tmp_path / "named") == TrainingRows(7, 1)
    assert [row.text for row in manifest.read(tmp_path / "named" / "dev.jsonl")] == [WRITTEN_TEXTS[4]]
    for number, text in enumerate(WRITTEN_TEXTS):
        (lines / f"{number}.gt.txt").write_text(text)
    (lines / "rows.jsonl").unlink()
    assert training_rows.gather(lines, "handwriting", tmp_path / "paired") == TrainingRows(7, 1)
    rows = manifest.read(tmp_path / "paired" / "train.jsonl")
    assert [row.text for row in rows] == [*WRITTEN_TEXTS[:4], *WRITTEN_TEXTS[5:]]
    assert all(row.path.is_file() for row in rows)
    both = tmp_path / "both" / "deep"
    for name, texts in (("train.jsonl", SPOKEN_TEXTS), ("dev.jsonl", SPOKEN_TEXTS[:3])):
        write_rows(both, TINY_SPEECH, texts, name)
    assert training_rows.gather(both.parent, "speech", tmp_path / "split") == TrainingRows(8, 3)


def test_samples_that_cannot_be_learnt_from_are_refused(tmp_path: Path) -> None:
    few, outside = tmp_path / "few", tmp_path / "outside"
    write_rows(few, TINY_SPEECH, SPOKEN_TEXTS[:4])
    write_rows(outside, TINY_SPEECH, SPOKEN_TEXTS)
    out = tmp_path / "out"
    with pytest.raises(ManifestError, match="holds 4 samples; at least 5"):
        training_rows.gather(few, "speech", out)
    with pytest.raises(ManifestError, match="has 'audio'; a handwriting bundle reads 'image'"):
        training_rows.gather(few, "handwriting", out)
    with pytest.raises(ManifestError, match="is not a folder"):
        training_rows.gather(few / "0.wav", "speech", out)
    rows = [{"audio": f"../outside/{number}.wav", "text": text} for number, text in enumerate(SPOKEN_TEXTS)]
    manifest.write(few / "rows.jsonl", rows)
    assert training_rows.gather(few, "speech", out) == TrainingRows(7, 1)
    with pytest.raises(ManifestError, match="names a file outside the folder"):
        training_rows.gather(few, "speech", out, within=True)
    manifest.write(few / "rows.jsonl", [{"audio": "none.wav", "text": "a"}])
    with pytest.raises(ManifestError, match=r"names 'none\.wav', which is not there"):
        training_rows.gather(few, "speech", out)
    manifest.write(few / "more.jsonl", rows)
    with pytest.raises(ManifestError, match="holds 2 manifests"):
        training_rows.gather(few, "speech", out)
    assert not (tmp_path / "new").exists()


def test_settings_written_as_toml_are_read_back(tmp_path: Path) -> None:
    values = {"a": 1, "b": 0.1, "c": 'x"\\y\né', "d": [1, 2], "e": True, "g": {"h": [], "i": {"j": 2e-3}}}
    assert tomllib.loads(fine_tuning.toml({**values, "none": None})) == values


@pytest.mark.parametrize("bundle", sorted(path.parent.name for path in checkpoint.SHELF.glob("*/bundle.json")))
def test_a_run_may_begin_with_each_bundle_on_the_shelf(
    bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = json.loads((checkpoint.SHELF / bundle / "bundle.json").read_text())["kind"]
    frontend = TINY_SPEECH if kind == "speech" else TINY_HANDWRITING
    write_rows(tmp_path / "rows", frontend, SPOKEN_TEXTS)
    monkeypatch.setattr(Run, "go", lambda run: None)
    run = Runs(tmp_path / "runs").begin("mine", bundle, tmp_path / "rows", 3)
    settings = training.settings(run.folder / "settings.toml")
    described = json.loads((checkpoint.SHELF / bundle / "bundle.json").read_text())
    assert settings.fit.epochs == 3 and settings.kind == kind
    # What the weights hang on is the bundle's own.
    assert settings.network.hidden == described["network"]["hidden"]
    assert settings.network.phones == described["network"]["phones"]
    assert (run.began.rows, run.began.dev_rows, run.began.kind) == (7, 1, kind)


def wait_for(run: Run, wanted: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not wanted():
        assert time.monotonic() < end and run.state in (TRAINING, DONE), run.last_words()
        time.sleep(0.02)


@pytest.mark.slow
def test_a_run_is_begun_stopped_gone_on_with_and_used(random_speech_bundle: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows", TINY_SPEECH, SPOKEN_TEXTS)
    runs = Runs(tmp_path / "runs")
    run = runs.begin("mine", str(random_speech_bundle), tmp_path / "rows", 400)
    assert run.state == TRAINING and runs.names() == ["mine"]
    with pytest.raises(ConfigError, match="run mine goes on; stop it"):
        runs.begin("other", str(random_speech_bundle), tmp_path / "rows", 1)
    with pytest.raises(ConfigError, match="name mine is taken"):
        runs.begin("mine", str(random_speech_bundle), tmp_path / "rows", 1)
    with pytest.raises(ConfigError, match="is no name for a run"):
        runs.begin("../mine", str(random_speech_bundle), tmp_path / "rows", 1)
    wait_for(run, lambda: len(run.history().evaluations) > 1)
    # Another program sees the same, and may end it.
    other = Runs(tmp_path / "runs").get("mine")
    assert other.state == TRAINING
    with pytest.raises(ConfigError, match="goes on already"):
        other.go()
    other.stop()
    assert run.state == STOPPED and run.usable and not (tmp_path / "runs" / "other").exists()
    reached = run.history().updates[-1]["update"]
    runs.go_on("mine")
    wait_for(run, lambda: bool(run.history().updates) and run.history().updates[-1]["update"] > reached)
    runs.close()
    assert run.state == STOPPED
    used = checkpoint.load(run.bundle())
    assert used.name == "mine" and used.alphabet.symbols == checkpoint.load(random_speech_bundle).alphabet.symbols
    before = checkpoint.load(random_speech_bundle).network.state_dict()
    assert any(not torch.equal(before[name], tensor) for name, tensor in used.network.state_dict().items())


def test_a_run_that_fails_says_why(random_speech_bundle: Path, tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.wav").write_text("no sound")
    manifest.write(tmp_path / "rows.jsonl", [{"audio": f"{number}.wav", "text": "abc"} for number in range(5)])
    runs = Runs(tmp_path / "runs")
    run = runs.begin("mine", str(random_speech_bundle), tmp_path, 1)
    end = time.monotonic() + 120
    while run.state == TRAINING and time.monotonic() < end:
        time.sleep(0.02)
    assert run.state == FAILED and not run.usable
    assert "0.wav" in run.last_words()
    with pytest.raises(ConfigError, match="has no bundle yet"):
        run.bundle()
    with pytest.raises(ConfigError, match="there is no run 'other' here; there are: mine"):
        runs.get("other")


def test_a_tuned_bundle_keeps_what_its_base_knows_of_the_language(random_speech_bundle: Path) -> None:
    base = checkpoint.load(random_speech_bundle)
    calibrated = {"beam": Calibration((1.0,) * 5, 0.0, (0.0,), (0.0,))}
    language = Language(None, {}, DecoderOptions(beam=7), calibrated, word_list=WordList(("abc", "dab")))

    kept = fine_tuning.with_language(base, replace(base, language=language)).language
    assert kept is not None and kept.options.beam == 7 and kept.word_list == language.word_list
    assert not kept.confidences
    assert fine_tuning.with_language(base, base).language is None
