"""Published speech corpora, built small as they lie on a disk: whole manifests against ones written by hand."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sources import write_text, write_wav

from pipelines.preparation import Prepared, prepare
from recog import audio
from recog.corpora import commonvoice, media
from recog.errors import ManifestError


def sound(path: Path, seconds: float = 0.05, form: str | None = None) -> None:
    """A recording at 16 kHz; `form` as soundfile names it, where the suffix does not tell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (3000 * np.sin(np.arange(round(seconds * 16000)) / 9)).astype(np.int16)
    soundfile.write(path, samples, 16000, subtype=None if path.suffix == ".mp3" else "PCM_16", format=form)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def fingerprint(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by content."""
    return {str(p): hashlib.blake2b(p.read_bytes()).digest() for p in sorted(folder.rglob("*")) if p.is_file()}


def prepared(kind: str, source: Path, out: Path) -> Prepared:
    """Prepares twice: the source is left as it was, and the second time changes nothing."""
    before = fingerprint(source)
    first = prepare(kind, source, out)
    made = fingerprint(out)
    assert prepare(kind, source, out) == first
    assert fingerprint(out) == made and fingerprint(source) == before
    assert not list(out.rglob("*.partial"))
    return first


# --- LJ Speech -----------------------------------------------------------------------------------------------------


def test_ljspeech(tmp_path: Path) -> None:
    source, out = tmp_path / "LJ", tmp_path / "out"
    for name in ("LJ001-0001", "LJ001-0002", "LJ002-0001", "LJ002-0002", "LJ002-0009"):
        sound(source / "wavs" / f"{name}.wav")
    write_text(source / "wavs" / "LJ002-0003.wav", "no sound")
    table = ["LJ001-0001|In 1440|In fourteen  forty", "LJ001-0002|Only one", "LJ001-0003|Lost|Lost", "LJ002-0001|Dr.|"]
    table += ["LJ002-0002||", "LJ002-0003|Noise|Noise"]
    write_text(source / "metadata.csv", "\ufeff" + "\n".join(table) + "\n")
    assert prepared("ljspeech", source, out).left_out == {
        "no recording for the line": 1,
        "empty text": 1,
        "unreadable recording": 1,
        "no line for the recording": 1,
    }
    texts = {"LJ001-0001": "In fourteen forty", "LJ001-0002": "Only one", "LJ002-0001": "Dr."}
    assert rows(out / "train.jsonl") == [
        {"audio": str(source / "wavs" / f"{name}.wav"), "text": text, "duration": 0.05, "source": "LJ"}
        for name, text in texts.items()
    ]


def test_ljspeech_keeps_chapters_together(tmp_path: Path) -> None:
    lines = []
    for chapter in range(12):
        for number in range(3):
            write_wav(tmp_path / "wavs" / f"LJ{chapter:03d}-{number}.wav", 0.05)
            lines.append(f"LJ{chapter:03d}-{number}|text")
    write_text(tmp_path / "metadata.csv", "\n".join(lines))
    prepare("ljspeech", tmp_path, tmp_path / "out")
    chapters = [{row["audio"][-11:-6] for row in rows(tmp_path / "out" / f"{name}.jsonl")} for name in ("train", "dev")]
    assert (len(chapters[0]), len(chapters[1])) == (11, 1) and not chapters[0] & chapters[1]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("a|A\nb\n", r"line 2 of .*metadata\.csv is 'b'; expected id\|text"),
        ("a|A\na|B\n", "line 2 .* names a, which has already come"),
        (None, r"holds no metadata\.csv"),
        ("z|Z\n", "1 x no recording for the line"),
    ],
)
def test_broken_ljspeech(tmp_path: Path, table: str | None, sentence: str) -> None:
    write_wav(tmp_path / "wavs" / "a.wav", 0.05)
    if table is not None:
        write_text(tmp_path / "metadata.csv", table)
    with pytest.raises(ManifestError, match=sentence):
        prepare("ljspeech", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- Common Voice --------------------------------------------------------------------------------------------------

HEADER = "client_id\tpath\tsentence\tup_votes\tlocale\tsegment"


def test_common_voice_keeps_its_splits(tmp_path: Path) -> None:
    source, out = tmp_path / "cy", tmp_path / "out"
    for name in ("a", "b", "c", "d", "z"):
        sound(source / "clips" / f"{name}.mp3", 0.5)
    (source / "clips" / "empty.mp3").write_bytes(b"")
    train = [HEADER, 'anna\ta.mp3\t""Bore""  da\t2\tcy\t', "ben\tb\tPrynhawn\t2\t\t", "ben\tlost.mp3\tx\t2\tcy\t"]
    train += ["ben\tempty.mp3\tx\t2\tcy\t", "ben\tz.mp3\t \t2\tcy\t", "ben\tz.mp3\tbroken\t2\tcy"]
    write_text(source / "train.tsv", "\n".join(train) + "\n")
    write_text(source / "dev.tsv", f"{HEADER}\ncora\tc.mp3\tNos da\t2\tcy\t\n")
    write_text(source / "test.tsv", f"{HEADER}\ndai\td.mp3\tIawn\t2\tcy\t\n")
    write_text(source / "validated.tsv", "not even looked at")
    write_text(source / "clip_durations.tsv", "clip\tduration[ms]\na.mp3\t4321\nempty.mp3\t10\n")
    assert prepared("commonvoice", source, out).left_out == {
        "no clip for the line": 1,
        "unreadable recording": 1,
        "empty text": 1,
        "a line with another number of cells": 1,
    }

    def row(clip: str, text: str, speaker: str, **more: object) -> dict[str, object]:
        whole = {"audio": str(source / "clips" / f"{clip}.mp3"), "text": text, "duration": 0.5, "speaker": speaker}
        return {**whole, "language": "cy", "source": "common-voice-cy", **more}

    assert rows(out / "train.jsonl") == [row("a", '"Bore" da', "anna", duration=4.321), row("b", "Prynhawn", "ben")]
    assert rows(out / "dev.jsonl") == [row("c", "Nos da", "cora", part="tune")]
    assert rows(out / "test.jsonl") == [row("d", "Iawn", "dai")]


def test_common_voice_without_splits_goes_by_speaker(tmp_path: Path) -> None:
    lines = []
    for number in range(40):
        write_wav(tmp_path / "en" / "clips" / f"{number}.wav", 0.05)
        lines.append(f"s{number // 2}\t{number}.wav\ttext\t2\ten\t")
    write_text(tmp_path / "en" / "validated.tsv", "\n".join([HEADER, *lines]))
    prepare("commonvoice", tmp_path / "en", tmp_path / "out")
    voices = [{row["speaker"] for row in rows(tmp_path / "out" / f"{name}.jsonl")} for name in ("train", "dev")]
    assert (len(voices[0]), len(voices[1])) == (19, 1) and not voices[0] & voices[1]
    assert not (tmp_path / "out" / "test.jsonl").exists()


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("plain", "plain"),
        ('"in quotes, as pandas writes it"', "in quotes, as pandas writes it"),
        ('"""Go,"" she said"', '"Go," she said'),
        ('"""Go"""', '"Go"'),
        ('""Go,"" she said', '"Go," she said'),  # QUOTE_NONE with " as the escape
        ('""Go""', '"Go"'),
        ("", ""),
        ('"', '"'),
    ],
)
def test_quotes_of_common_voice(cell: str, sentence: str) -> None:
    assert commonvoice.unquoted(cell) == sentence


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "neither train.tsv nor validated.tsv"),
        ({"train.tsv": "client_id\tpath\n"}, r"line 1 of .*train\.tsv names no column 'sentence'"),
        ({"train.tsv": f"{HEADER}\na\t../a.mp3\tx\t\t\t"}, r"line 2 of .*train\.tsv has the path '\.\./a\.mp3'"),
        ({"train.tsv": HEADER, "clip_durations.tsv": "clip\tms\na.mp3\tlong"}, "line 2 .* has the duration 'long'"),
        ({"train.tsv": HEADER}, "nothing to make a manifest of"),
    ],
)
def test_broken_common_voice(tmp_path: Path, files: dict[str, str], sentence: str) -> None:
    for name, content in files.items():
        write_text(tmp_path / name, content)
    with pytest.raises(ManifestError, match=sentence):
        prepare("commonvoice", tmp_path, tmp_path / "out")


# --- AN4 -----------------------------------------------------------------------------------------------------------


def an4(source: Path, suffix: str) -> Path:
    for name in ("an4_clstk/fash/an251-fash-b", "an4_clstk/fash/an253-fash-b", "an4test_clstk/fcaw/an406-fcaw-b"):
        path = source / "wav" / f"{name}{suffix}"
        if suffix == ".sph":
            sound(path, form="NIST")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            wave = (3000 * np.sin(np.arange(800) / 9)).astype(np.int16)
            path.write_bytes(wave.astype(">i2" if suffix == ".raw" else "<i2").tobytes())
    write_text(
        source / "etc" / "an4_train.fileids",
        "an4_clstk/fash/an251-fash-b\nan4_clstk/fash/an253-fash-b\nan4_clstk/gone/an1-gone-b\n",
    )
    write_text(
        source / "etc" / "an4_train.transcription",
        "<s> YES </s> (an251-fash-b)\n<s> GO ++COUGH++ [SIC] <sil> </s> (an253-fash-b)\n<s> NO </s> (an1-gone-b)\n",
    )
    write_text(source / "etc" / "an4_test.fileids", "an4test_clstk/fcaw/an406-fcaw-b\n")
    write_text(source / "etc" / "an4_test.transcription", "RUBOUT G M E (an406-fcaw-b)\n")
    return source


def test_an4_in_sphere_files(tmp_path: Path) -> None:
    source, out = an4(tmp_path / "an4", ".sph"), tmp_path / "out"
    assert prepared("an4", source, out).left_out == {"no recording for the line": 1}

    def row(name: str, text: str, speaker: str) -> dict[str, object]:
        audio_path = str(source / "wav" / f"{name}.sph")
        return {"audio": audio_path, "text": text, "duration": 0.05, "speaker": speaker, "source": "an4"}

    assert rows(out / "train.jsonl") == [
        row("an4_clstk/fash/an251-fash-b", "YES", "fash"),
        row("an4_clstk/fash/an253-fash-b", "GO [SIC]", "fash"),
    ]
    assert rows(out / "test.jsonl") == [row("an4test_clstk/fcaw/an406-fcaw-b", "RUBOUT G M E", "fcaw")]
    assert not (out / "dev.jsonl").exists()  # too few to spare any
    heard = audio.read(rows(out / "test.jsonl")[0]["audio"])
    assert np.array_equal(np.rint(heard * 32767), (3000 * np.sin(np.arange(800) / 9)).astype(np.int16))


def test_an4_in_raw_files_of_unknown_byte_order(tmp_path: Path) -> None:
    source, out = an4(tmp_path / "out" / "an4", ".raw"), tmp_path / "out"
    (source / "wav" / "an4_clstk" / "fash" / "an253-fash-b.raw").write_bytes(b"odd")
    before = fingerprint(source)
    left_out = prepare("an4", source, out).left_out
    assert left_out == {"no recording for the line": 1, "unreadable recording": 1}
    (row,) = rows(out / "train.jsonl")
    name = "audio/an4_clstk%2Ffash%2Fan251-fash-b.flac"
    assert row == {"audio": name, "text": "YES", "duration": 0.05, "speaker": "fash", "source": "an4"}
    heard = audio.read(out / name)
    assert np.array_equal(np.rint(heard * 32767), (3000 * np.sin(np.arange(800) / 9)).astype(np.int16))
    assert fingerprint(source) == before


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "an4_test.transcription",
            "YES (another)\n",
            r"line 1 of .*test\.transcription is 'YES \(another\)'; expected",
        ),
        ("an4_test.transcription", "YES\n", "line 1 .* expected the words and"),
        ("an4_test.transcription", "A (an406-fcaw-b)\nB (b)\n", "has 1 lines, its .transcription 2"),
        ("an4_train.transcription", None, "cannot be read"),
    ],
)
def test_broken_an4(tmp_path: Path, name: str, content: str | None, sentence: str) -> None:
    source = an4(tmp_path / "an4", ".sph")
    (source / "etc" / name).unlink()
    if content is not None:
        write_text(source / "etc" / name, content)
    with pytest.raises(ManifestError, match=sentence):
        prepare("an4", source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an4_needs_its_lists(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"holds no etc/\*\.fileids"):
        prepare("an4", tmp_path, tmp_path / "out")


# --- TIMIT ---------------------------------------------------------------------------------------------------------


def timit(source: Path, place: str, capitals: bool, phones: str = "h# sh iy h#", **parts: str) -> Path:
    """One sentence: its recording, .PHN and whatever else."""
    path = source / (place.upper() if capitals else place)
    case = str.upper if capitals else str.lower
    sound(path.with_name(path.name + case(".wav")), form="NIST")
    times = [f"{k * 100} {k * 100 + 100} {name}" for k, name in enumerate(phones.split())]
    for suffix, content in {"phn": "\n".join(times), **parts}.items():
        write_text(path.with_name(f"{path.name}.{case(suffix)}"), content + "\n")
    return path


@pytest.mark.parametrize("capitals", [True, False])
def test_timit(tmp_path: Path, capitals: bool) -> None:
    source, out = tmp_path / "TIMIT", tmp_path / "out"
    words = "0 100 She\n100 200 Had"
    train = timit(source, "train/dr1/fcjf0/sx37", capitals, "h# sh iy hv ae dcl d h#", wrd=words)
    timit(source, "train/dr1/fcjf0/sa1", capitals)
    dev = timit(source, "test/dr1/faks0/si1573", capitals)
    test = timit(source, "test/dr2/mtas1/sx1", capitals, "h# q aa h#")
    timit(source, "test/dr2/mabc0/sx2", capitals)
    suffix = ".WAV" if capitals else ".wav"
    (source / "README.DOC").write_bytes(b"\xff")
    assert prepared("timit", source, out).left_out == {
        "an sa sentence, which every speaker reads": 1,
        "in TEST, but neither in the core test set nor for dev": 1,
    }

    def row(path: Path, text: str, speaker: str, dialect: str, **more: str) -> dict[str, object]:
        heard = {"audio": f"{path}{suffix}", "text": text, "duration": 0.05}
        return {**heard, **more, "speaker": speaker, "dialect": dialect, "source": "timit"}

    phones = "h# sh iy hv ae dcl d h#"
    assert rows(out / "train.jsonl") == [row(train, phones, "fcjf0", "dr1", words="she had")]
    assert rows(out / "dev.jsonl") == [{**row(dev, "h# sh iy h#", "faks0", "dr1"), "part": "tune"}]
    assert rows(out / "test.jsonl") == [row(test, "h# q aa h#", "mtas1", "dr2")]


def test_timit_counts_what_is_not_whole(tmp_path: Path) -> None:
    whole = timit(tmp_path, "train/dr1/fcjf0/sx1", True)
    # A conversion beside the original is one sentence, and the converted file is taken.
    sound(whole.with_name("SX1.WAV.wav"), 0.1)
    mute = timit(tmp_path, "train/dr1/fcjf0/sx2", True)
    mute.with_name("SX2.WAV").unlink()
    dumb = timit(tmp_path, "train/dr1/fcjf0/sx3", True)
    dumb.with_name("SX3.PHN").unlink()
    bad = timit(tmp_path, "train/dr1/fcjf0/sx4", True)
    write_text(bad.with_name("SX4.WAV"), "no sound")
    assert prepare("timit", tmp_path, tmp_path / "out").left_out == {
        "a .PHN without recording": 1,
        "a recording without .PHN": 1,
        "unreadable recording": 1,
    }
    (row,) = rows(tmp_path / "out" / "train.jsonl")
    assert row["audio"].endswith("SX1.WAV.wav") and row["duration"] == 0.1


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ("0 100 h#\n100 200 hello", r"SX1\.PHN holds 'hello'; expected phones of TIMIT"),
        ("0 100 h#\n100 iy", "line 2 of .* is '100 iy'; expected first sample"),
        ("0 100 h#\n300 200 iy", "line 2 .* in order of time"),
        ("200 300 h#\n100 200 iy", "line 2 .* in order of time"),
    ],
)
def test_broken_timit(tmp_path: Path, labels: str, sentence: str) -> None:
    timit(tmp_path, "train/dr1/fcjf0/sx1", True, phn=labels)
    with pytest.raises(ManifestError, match=sentence):
        prepare("timit", tmp_path, tmp_path / "out")


# --- Kaldi ---------------------------------------------------------------------------------------------------------


def test_kaldi_folders_with_segments(tmp_path: Path) -> None:
    source, out = tmp_path / "s5" / "data", tmp_path / "out"
    sound(tmp_path / "s5" / "wavs" / "r1.wav", 1.0)
    sound(tmp_path / "s5" / "wavs" / "r2.wav", 1.0)
    write_text(tmp_path / "s5" / "wavs" / "bad.wav", "no sound")
    train = source / "train"
    # Relative to where the scripts run, which is two folders up.
    write_text(train / "wav.scp", "r1 wavs/r1.wav\nbad wavs/bad.wav\ngone wavs/gone.wav\n")
    write_text(train / "text", "u1 ONE  TWO\n../u2 THREE\nu3 LATE\nu4\nu5 BAD\nu6 GONE\nu7 NOWHERE\n")
    write_text(train / "utt2spk", "u1 anna\n../u2 ben\n")
    segments = ["u1 r1 0.25 0.5", "../u2 r1 0.5 1.2", "u3 r1 1.2 1.6", "u4 r1 0 0.1", "u8 r1 0 0.1"]
    write_text(train / "segments", "\n".join([*segments, "u5 bad 0 1", "u6 gone 0 1"]))
    write_text(source / "test_other" / "wav.scp", f"r2 {tmp_path / 's5' / 'wavs' / 'r2.wav'}\n")
    write_text(source / "test_other" / "text", "r2 WHOLE\n")
    write_text(source / "notes" / "text", "no data folder")
    assert prepared("kaldi", source, out).left_out == {
        "no line in text": 1,
        "a segment beyond the end of its recording": 1,
        "empty text": 1,
        "unreadable recording": 1,
        "no file where wav.scp says": 1,
        "a line in text without recording": 1,
    }
    assert rows(out / "train.jsonl") == [
        {"audio": "audio/train/u1.flac", "text": "ONE TWO", "duration": 0.25, "speaker": "anna", "source": "train"},
        {"audio": "audio/train/%2E.%2Fu2.flac", "text": "THREE", "duration": 0.5, "speaker": "ben", "source": "train"},
    ]
    whole = {"audio": str(tmp_path / "s5" / "wavs" / "r2.wav"), "text": "WHOLE", "duration": 1.0}
    assert rows(out / "test.jsonl") == [{**whole, "source": "test_other"}]
    heard = audio.read(out / "audio" / "train" / "u1.flac")
    assert np.array_equal(heard, audio.read(tmp_path / "s5" / "wavs" / "r1.wav")[4000:8000])


def test_a_single_kaldi_folder_is_split_by_speaker(tmp_path: Path) -> None:
    names = [f"s{number // 2}-{number}" for number in range(40)]
    for name in names:
        write_wav(tmp_path / f"{name}.wav", 0.05)
    write_text(tmp_path / "wav.scp", "".join(f"{name}\t{name}.wav\n" for name in names))
    write_text(tmp_path / "text", "".join(f"{name} WORD\n" for name in names))
    write_text(tmp_path / "utt2spk", "".join(f"{name} {name.split('-')[0]}\n" for name in names))
    prepare("kaldi", tmp_path, tmp_path / "out")
    voices = [{row["speaker"] for row in rows(tmp_path / "out" / f"{name}.jsonl")} for name in ("train", "dev")]
    assert (len(voices[0]), len(voices[1])) == (19, 1) and not voices[0] & voices[1]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            {"wav.scp": "u touch {tmp}/run; cat a.wav |"},
            r"line 1 of .*wav\.scp gives u as the command .* never run here",
        ),
        ({"wav.scp": "u |cat"}, "gives u as the command"),
        ({"wav.scp": "u raw.ark:1234"}, "a place in a stream or archive"),
        ({"wav.scp": "u -"}, "a place in a stream"),
        ({"wav.scp": "u"}, "line 1 of .* is 'u'; expected a recording and its path"),
        ({"wav.scp": "u a.wav\nu a.wav"}, "line 2 .* names u, which has already come"),
        ({"text": "u A\nu B"}, "line 2 of .*text names u"),
        ({"segments": "x u 2 1"}, "line 1 of .*segments is 'x u 2 1'; expected utterance, recording, start and end"),
        ({"segments": "x u 0 inf"}, "expected utterance, recording"),
        ({"segments": "x v 0 1"}, "names the recording v, which wav.scp lacks"),
        ({"segments": "x u 0 1\nx u 0 1"}, "line 2 .* names x"),
        ({"reco2file_and_channel": "u f A\nv f B"}, "parts recordings by channel"),
        ({"text": None}, "text cannot be read"),
        ({"wav.scp": None}, "looked for wav.scp"),
    ],
)
def test_broken_kaldi_folders(tmp_path: Path, files: dict[str, str | None], sentence: str) -> None:
    source = tmp_path / "data"
    write_wav(source / "a.wav", 0.05)
    for name, content in {"wav.scp": "u a.wav", "text": "u A", **files}.items():
        if content is not None:
            write_text(source / name, content.format(tmp=tmp_path))
    with pytest.raises(ManifestError, match=sentence):
        prepare("kaldi", source, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (tmp_path / "run").exists()


@pytest.mark.parametrize("id_", ["..", ".", "a/b", "../../x", "/etc/passwd", ".hidden", "a\\b", "C:x", "é ü"])
def test_ids_become_names_of_files_in_one_folder(tmp_path: Path, id_: str) -> None:
    name = media.file_name(id_, ".flac")
    assert (tmp_path / name).resolve().parent == tmp_path.resolve()
    assert not name.startswith(".") and not set(name) & set('/\\:"<>|?*')
