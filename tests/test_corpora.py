"""Importers: folders, shards and generated samples whose right answer is known because the test built them."""

import hashlib
import io
import json
import tarfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import draw_line
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recog import image
from recog.corpora import duration, folder, librispeech, lines, scribble, shards, tones, toy
from recog.corpora.found import Found, Sample, walk, written_path
from recog.corpora.split import split
from recog.errors import InputError, ManifestError


def write_wav(path: Path, seconds: float, rate_hz: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (3000 * np.sin(np.arange(round(seconds * rate_hz)))).astype(np.int16)
    path.write_bytes(wav(samples.tobytes(), rate_hz))


def wav(samples: bytes, rate_hz: int) -> bytes:
    header = b"RIFF" + (36 + len(samples)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    numbers = [(1, 2), (1, 2), (rate_hz, 4), (2 * rate_hz, 4), (2, 2), (16, 2)]
    header += b"".join(number.to_bytes(size, "little") for number, size in numbers)
    return header + b"data" + len(samples).to_bytes(4, "little") + samples


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_tar(path: Path, members: dict[str, bytes], extra: tarfile.TarInfo | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if extra is not None:
            tar.addfile(extra, io.BytesIO(bytes(extra.size)))


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def samples(groups: list[str]) -> list[Sample]:
    return [Sample(group, {"audio": f"{number}", "text": "x"}) for number, group in enumerate(groups)]


# --- split ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "dev"), [(1, 0), (19, 0), (20, 1), (39, 1), (40, 2), (100, 5), (1000, 50)])
def test_one_row_in_twenty_goes_to_dev(count: int, dev: int) -> None:
    parts = split(samples([f"id{number}" for number in range(count)]))
    assert (len(parts.train), len(parts.dev)) == (count - dev, dev)


def test_dev_rows_are_those_with_the_smallest_hashes() -> None:
    names = [f"id{number}" for number in range(60)]
    smallest = sorted(names, key=lambda name: hashlib.blake2b(name.encode(), digest_size=16).digest())[:3]
    assert [names[int(row["audio"])] for row in split(samples(names)).dev] == sorted(smallest, key=names.index)


def test_dev_parts_alternate() -> None:
    parts = split(samples([f"id{number}" for number in range(100)]))
    assert [row["part"] for row in parts.dev] == ["tune", "report", "tune", "report", "tune"]
    assert all("part" not in row for row in parts.train)


@settings(deadline=None, max_examples=50)  # a busy machine is no fault
@given(st.lists(st.integers(0, 30), min_size=20, max_size=200))
def test_split_loses_nothing_and_takes_a_fifth_at_most(speakers: list[int]) -> None:
    rows = samples([f"speaker {number}" for number in speakers])
    parts = split(rows)
    audio = [row["audio"] for row in parts.train + parts.dev]
    assert sorted(audio, key=int) == [sample.row["audio"] for sample in rows]
    assert 1 <= len(parts.dev) <= max(1, len(rows) // 5)


@settings(deadline=None, max_examples=50)  # a busy machine is no fault
@given(st.permutations([number % 25 for number in range(100)]))
def test_a_voice_is_never_on_both_sides(speakers: list[int]) -> None:
    parts = split(samples([f"speaker {number}" for number in speakers]))
    voices = [{speakers[int(row["audio"])] for row in rows} for rows in (parts.train, parts.dev)]
    assert not voices[0] & voices[1]
    # 25 voices with 4 rows each: 5 rows are wanted, two voices give them; the same two in any order.
    assert voices[1] == {speaker for speaker in range(25) if speaker in smallest_speakers(2)}


def smallest_speakers(count: int) -> list[int]:
    return sorted(range(25), key=lambda k: hashlib.blake2b(f"speaker {k}".encode(), digest_size=16).digest())[:count]


def test_two_voices_are_split_by_rows() -> None:
    parts = split(samples(["anna", "ben"] * 20))
    assert len(parts.dev) == 2


# --- durations and folders of recordings ---------------------------------------------------------------------------


def test_seconds_come_from_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(duration.audio, "read")  # decoding a whole corpus would take hours
    write_wav(tmp_path / "a.wav", 1.25)
    assert duration.seconds(tmp_path / "a.wav") == 1.25


class Pipe(io.RawIOBase):
    """A file that cannot go back, as a browser's recorder writes: no length ever reaches its header."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.content += data
        return len(data)


def test_a_recording_without_length_in_its_header_is_decoded(tmp_path: Path) -> None:
    pipe = Pipe()
    with av.open(pipe, "w", format="webm") as container:
        stream = container.add_stream("libopus", rate=48000, layout="mono")
        for start in range(0, 2 * 48000, 960):
            wave = (8000 * np.sin(np.arange(start, start + 960) * 0.05)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
            frame.rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path = tmp_path / "recorder.webm"
    path.write_bytes(pipe.content)
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


# --- lines and LibriSpeech -----------------------------------------------------------------------------------------


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


# --- shards --------------------------------------------------------------------------------------------------------


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


# --- toys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", tones.LETTERS)
def test_a_letter_is_the_chord_of_its_key(letter: str) -> None:
    random = np.random.default_rng(3)
    heard = tones.whistle(letter, tones.Voice(pitch=1.0, letter_seconds=0.2, noise=0.0), random).astype(float)
    power = np.abs(np.fft.rfft(heard)) ** 2
    hz = np.fft.rfftfreq(heard.size, 1 / tones.RATE_HZ)
    peaks = [hz[np.where(side, power, 0).argmax()] for side in (hz < 900, hz >= 900)]
    row, column = divmod(tones.LETTERS.index(letter), 4)
    # Each letter wavers by up to 4 %; the bins are 3 Hz wide.
    assert peaks[0] == pytest.approx(tones.LOW_HZ[row], rel=0.04, abs=4)
    assert peaks[1] == pytest.approx(tones.HIGH_HZ[column], rel=0.04, abs=4)


def test_a_whistle_is_as_long_as_its_letters() -> None:
    random = np.random.default_rng(3)
    heard = tones.whistle("de la", tones.Voice(1.0, 0.1, 0.0), random)
    assert 0.2 + 5 * 0.08 <= heard.size / tones.RATE_HZ <= 0.2 + 5 * 0.12
    edge = round(0.1 * tones.RATE_HZ)
    assert not heard[:edge].any() and not heard[-edge:].any() and heard[edge:-edge].any()


def test_a_drawn_line_has_ink_inside_and_paper_around() -> None:
    for seed in range(20):
        line = np.asarray(scribble.draw_line("puba tehuke", np.random.default_rng(seed)), dtype=float)
        paper = np.median(line)
        assert paper >= 190 and (line < paper - 60).mean() > 0.02
        # No letter is cut off at the border: the outermost columns and rows are paper, up to the noise.
        border = np.concatenate([line[0], line[-1], line[:, 0], line[:, -1]])
        assert border.min() > paper - 70


def test_toys_are_the_same_for_a_seed_and_others_for_another() -> None:
    first, second, other = ([drawn for _, drawn in zip(range(5), toy.speech(seed), strict=False)] for seed in (1, 1, 2))
    assert first == second
    assert all(mine.content != theirs.content for mine, theirs in zip(first, other, strict=True))
    one, two = (next(iter(toy.handwriting(seed))) for seed in (7, 7))
    assert one == two
    assert image.read(one.content).height == Image.open(io.BytesIO(one.content)).height


def test_toy_texts_are_all_different_and_spelt_in_syllables() -> None:
    texts = toy.texts(tones.LETTERS, seed=1)
    assert len(set(texts)) == len(texts) == toy.TRAIN_ROWS + toy.DEV_ROWS
    words = [word for text in texts for word in text.split(" ")]
    assert all(1 <= len(text.split(" ")) <= 3 for text in texts)
    assert all(set(word[::2]) <= set("dklmnrst") and set(word[1::2]) <= set("aeio") for word in words)
    assert set("".join(words)) == set(tones.LETTERS)
