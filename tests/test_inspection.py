"""Built corpora with one fault each: the inspection must name exactly that fault, and its line."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import SPOKEN_TEXTS, TINY_HANDWRITING, TINY_SPEECH, WRITTEN_TEXTS, draw_line, spell_wave, write_rows
from PIL import Image, ImageOps

from recog.alphabet import Alphabet
from recog.inspection import facts, finding
from recog.inspection.facts import Facts, Picture, Sound, examine, examine_all, picture, sound
from recog.inspection.finding import ERRORS, KINDS
from recog.inspection.inspect import Inspection, Standard, inspect
from recog.inspection.outliers import centre

# Every character stands there at least five times, so that none is rare.
MANY_SPOKEN = (*SPOKEN_TEXTS, "abdc", "ca db", "dacb a")
SPEECH = Standard(TINY_SPEECH, "spoken", lambda frames: -(-frames // 2))
HANDWRITING = Standard(TINY_HANDWRITING, "strict", lambda frames: frames)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def put(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def look(standard: Standard, *paths: Path) -> Inspection:
    splits = [finding.read(path) for path in paths]
    files = {row.path for split in splits for row in split.rows}
    return inspect(splits, standard, examine_all(sorted(files), standard.frontend))


def named(found: Inspection) -> list[tuple[str, int]]:
    return [(one.kind, one.line) for one in found.findings]


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "speech", TINY_SPEECH, MANY_SPOKEN)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = write_rows(tmp_path / "lines", TINY_HANDWRITING, [*WRITTEN_TEXTS] * 5)
    for number in range(8, 40):  # no two files alike
        draw_line(WRITTEN_TEXTS[number % 8], ink=20 + number).save(path.parent / f"{number}.png")
    return path


def test_a_sound_corpus_has_no_fault(spoken: Path) -> None:
    found = look(SPEECH, spoken)
    assert named(found) == []
    assert found.alphabet.symbols == (" ", "a", "b", "c", "d")


def test_files_that_are_gone_empty_or_garbage(spoken: Path) -> None:
    (spoken.parent / "1.wav").unlink()
    (spoken.parent / "3.wav").write_bytes(b"")
    (spoken.parent / "5.wav").write_bytes(bytes(range(256)) * 20)
    found = look(SPEECH, spoken)
    assert named(found) == [("missing", 2), ("damaged", 4), ("damaged", 6)]
    assert found.errors == 3
    assert found.findings[0].sample == "1.wav" and str(spoken.parent / "1.wav") in found.findings[0].message
    assert "is empty (0 bytes)" in found.findings[1].message
    assert "not a recording that can be decoded" in found.findings[2].message


def test_a_recording_cut_off_in_the_middle_is_damaged(spoken: Path) -> None:
    whole = (spoken.parent / "2.wav").read_bytes()
    (spoken.parent / "2.wav").write_bytes(whole[: len(whole) // 2])
    found = look(SPEECH, spoken)
    assert named(found)[0] == ("damaged", 3)
    assert found.errors == 1


def test_a_row_that_tells_another_length(spoken: Path) -> None:
    rows = rows_of(spoken)
    rows[4]["duration"] += 1
    put(spoken, rows)
    found = look(SPEECH, spoken)
    assert named(found) == [("duration", 5)]
    seconds = rows[4]["duration"]
    assert found.findings[0].message == f"the row says {seconds:.2f} s, {seconds - 1:.2f} s can be decoded"


def test_malformed_lines_and_the_other_medium(spoken: Path) -> None:
    with spoken.open("a") as file:
        file.write('{"audio": 7, "text": "x"}\n{"image": "x.png", "text": "x"}\n')
    found = look(SPEECH, spoken)
    assert named(found) == [("malformed", 12), ("medium", 13)]
    assert "'audio' is 7" in found.findings[0].message


def test_texts_that_are_empty_or_longer_than_their_frames(spoken: Path) -> None:
    rows = rows_of(spoken)
    rows[0]["text"] = "..."  # nothing of it is spoken
    # 1.wav holds "dab c": 6 gaps and 5 letters = 11200 / 8000 ... 0.64 s, 65 frames, 33 after the network.
    rows[1]["text"] = "aabb" * 8  # 32 letters and a blank within each of 16 pairs: 48 frames
    put(spoken, rows)
    found = look(SPEECH, spoken)
    assert [one for one in named(found) if one[0] != "pace"] == [("empty", 1), ("infeasible", 2)]
    assert found.findings[1].message.startswith("32 characters need 48 frames, the network gives 33")


def test_markup_left_in_a_text(written: Path) -> None:
    rows = rows_of(written)
    rows[2]["text"] += " &amp; <br/>"
    rows[4]["text"] += " & < >"  # signs that anybody may write
    put(written, rows)
    found = look(HANDWRITING, written).kinds()["markup"]
    assert [(one.line, one.message) for one in found] == [(3, "holds &amp;, <br/>: 'a pal &amp; <br/>'")]


def test_characters_outside_a_bundles_alphabet_are_counted(spoken: Path) -> None:
    found = look(replace(SPEECH, alphabet=Alphabet((" ", "a", "b", "c"))), spoken)
    (one,) = found.findings
    count = sum(text.count("d") for text in MANY_SPOKEN)
    rows = sum("d" in text for text in MANY_SPOKEN)
    assert (one.kind, one.line) == ("alphabet", 1)
    assert one.message == f"U+0064 'd': {count} times in {rows} rows"


def test_rare_characters_and_those_dev_alone_holds(spoken: Path) -> None:
    rows = rows_of(spoken)
    rows[6]["text"] += "z"
    put(spoken, rows)
    dev = write_rows(spoken.parent, TINY_SPEECH, [*MANY_SPOKEN], "dev.jsonl")
    put(dev, [{**row, "audio": f"../dev/{row['audio']}"} for row in rows_of(dev)])
    write_rows(spoken.parents[1] / "dev", TINY_SPEECH, [text + " a" for text in MANY_SPOKEN])
    held = rows_of(dev)
    held[2]["text"] += " q"
    put(dev, [{key: value for key, value in row.items() if key != "duration"} for row in held])
    found = look(SPEECH, spoken, dev)
    assert [(one.kind, Path(one.manifest).name, one.line, one.message) for one in found.findings] == [
        ("unseen", "dev.jsonl", 3, "U+0071 'q': 1 time in 1 row"),
        ("rare", "rows.jsonl", 7, "U+007A 'z': 1 time in 1 row"),
    ]
    dropped = look(replace(SPEECH, rare=2), spoken)
    assert dropped.findings[0].message.endswith("; its rows are left out (data.rare)")
    assert "z" not in dropped.alphabet.symbols and found.errors == 0


def test_copies_within_a_manifest(spoken: Path) -> None:
    rows = [{**row, "speaker": f"s{number % 2}"} for number, row in enumerate(rows_of(spoken))]
    rows.append(rows[3])  # the same file and text
    rows.append({**rows[5], "text": "dcb a"})  # the same file, another text
    rows.append({**rows[0], "audio": "other.wav"})  # another file, the same text and speaker
    soundfile.write(spoken.parent / "other.wav", spell_wave(rows[0]["text"], 8000) * 0.5, 8000)
    put(spoken, rows)
    found = look(SPEECH, spoken)
    assert named(found) == [("contradiction", 13), ("duplicate", 12), ("repeated", 14)]
    assert f"{spoken}:6, where it says 'dcba', here 'dcb a'" in found.findings[0].message
    assert found.findings[1].message == f"the same bytes as {spoken}:4 (3.wav)"
    assert f"s0 has the same text in {spoken}:1: 'abcd'" in found.findings[2].message


def test_what_one_split_gives_away_of_another(written: Path) -> None:
    rows = [{**row, "writer": f"w{number}", "page": "p1"} for number, row in enumerate(rows_of(written))]
    put(written, rows)
    dev = written.parent / "dev.jsonl"
    line = draw_line("loop", size=30)
    line.save(written.parent / "new.png")
    fresh = {"text": "loop", "image": "new.png", "source": "built"}
    put(
        dev,
        [
            {**fresh, "writer": "stranger", "page": "p1"},  # page p1 of another writer: no leak
            {**rows[3], "writer": "v", "page": "p9"},  # the same picture
            {**fresh, "image": "new2.png", "writer": "w7", "page": "p2", "text": "Ada 1"},
            {**fresh, "image": "new3.png", "writer": "w9", "page": "p1", "text": "all"},
            {**fresh, "image": "new4.png", "writer": "w5", "page": "p3", "text": rows[5]["text"]},
        ],
    )
    for number in (2, 3, 4):
        draw_line("loop" + "!" * number, size=30).save(written.parent / f"new{number}.png")
    found = look(HANDWRITING, written, dev)
    leaks = [one for one in found.findings if one.kind.startswith("leaked")]
    assert [(one.kind, one.line) for one in leaks] == [
        ("leaked sample", 2),
        ("leaked page", 4),
        ("leaked text", 5),
        ("leaked speaker", 3),
        ("leaked speaker", 4),
        ("leaked speaker", 5),
    ]
    assert all(one.manifest == str(dev) for one in leaks)
    assert leaks[0].message == f"the same bytes as {written}:4 (3.png)"
    assert leaks[1].message == f"w9 p1: 1 rows here, 1 in {written} (the first in line 10)"
    assert found.errors == 2


def test_a_text_that_is_far_too_long_for_its_line(written: Path) -> None:
    rows = rows_of(written)
    rows[5]["text"] = "all" * 8
    put(written, rows)
    found = look(replace(HANDWRITING, shorten=lambda frames: 10 * frames), written)
    (one,) = found.findings
    assert (one.kind, one.line) == ("pace", 6) and one.message.startswith("24 characters on ")


def test_silence_and_clipping(spoken: Path) -> None:
    wave = spell_wave(MANY_SPOKEN[2], 8000)
    soundfile.write(spoken.parent / "2.wav", np.zeros_like(wave), 8000)
    soundfile.write(spoken.parent / "4.wav", np.clip(6 * spell_wave(MANY_SPOKEN[4], 8000), -1, 1), 8000)
    rows = rows_of(spoken)
    rows[7]["duration"] += 20
    long = np.concatenate([spell_wave(MANY_SPOKEN[7], 8000), np.zeros(160000, np.float32)])
    soundfile.write(spoken.parent / "7.wav", long, 8000)
    put(spoken, rows)
    found = [one for one in look(SPEECH, spoken).findings if one.kind != "pace"]
    assert [(one.kind, one.line) for one in found] == [("silent", 3), ("silent", 8), ("clipped", 5)]
    assert found[0].message == f"holds {len(wave) / 8000:.1f} s of silence"
    assert found[1].message.startswith("9") and "% of 20." in found[1].message


def test_blank_and_inverted_pictures_and_broken_ones(written: Path) -> None:
    folder = written.parent
    Image.new("L", (80, 30), 200).save(folder / "1.png")
    ImageOps.invert(draw_line(WRITTEN_TEXTS[4])).save(folder / "4.png")
    whole = (folder / "6.png").read_bytes()
    (folder / "6.png").write_bytes(whole[: len(whole) // 2])
    found = look(HANDWRITING, written)
    assert [one for one in named(found) if one[0] != "pace"] == [("damaged", 7), ("blank", 2), ("inverted", 5)]
    assert found.findings[-2].message == "its grey levels lie within 200 to 200 of 255"


def test_findings_come_in_the_order_of_kinds_and_lines(spoken: Path) -> None:
    (spoken.parent / "9.wav").unlink()
    (spoken.parent / "1.wav").unlink()
    (spoken.parent / "5.wav").write_bytes(b"RIFF")
    found = look(SPEECH, spoken)
    assert list(found.kinds()) == ["missing", "damaged"]
    assert [one.line for one in found.kinds()["missing"]] == [2, 10]
    assert set(KINDS) > set(ERRORS) >= set(found.kinds())


def test_measures_of_sound_by_hand() -> None:
    # One second of a square wave at a half, then three of silence: -6.02 dB where it sounds, 75 % silence.
    wave = np.zeros(32000, np.float32)
    wave[:8000] = 0.5
    measured = sound(wave, 8000)
    assert measured == Sound(4.0, pytest.approx(20 * np.log10(0.5)), 0.75, 0.0)
    wave[:320] = 1.0  # 40 ms of 4 s at full scale
    assert sound(wave, 8000).clipped == pytest.approx(0.01)
    assert sound(np.zeros(100, np.float32), 8000).level_db == -np.inf


def test_measures_of_a_picture_by_hand() -> None:
    # 10 % ink at 30, the rest paper at 220.
    values = np.full((10, 100), 220, np.uint8)
    values[:, :10] = 30
    assert picture(Image.fromarray(values)) == Picture(30, 220, 220)
    assert not picture(Image.fromarray(values)).inverted
    assert picture(Image.fromarray(255 - values)).inverted


def test_the_centre_is_not_moved_by_one_wild_value() -> None:
    # Deviations from the median 3 are 2 1 0 1 997: their median is 1.
    assert centre(np.array([1.0, 2.0, 3.0, 4.0, 1000.0])) == (3.0, pytest.approx(1.4826))
    assert centre(np.array([5.0, 5.0, 5.0])) == (5.0, 0.1)


def test_an_ogg_file_without_its_end_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, spell_wave("abcd" * 20, 8000), 8000, format="OGG", subtype="VORBIS")
    assert not examine(path, TINY_SPEECH).damage
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"OggS")])  # without its last page
    assert any("no end mark" in one for one in examine(path, TINY_SPEECH).damage)


def test_files_within_a_tar(spoken: Path) -> None:
    with tarfile.open(spoken.parent / "shard.tar", "w") as tar:
        for number in range(10):  # 10.wav stays outside
            tar.add(spoken.parent / f"{number}.wav", f"a/{number}.wav")
    put(spoken, [{**row, "audio": f"shard.tar/a/{row['audio']}"} for row in rows_of(spoken)])
    (one,) = look(SPEECH, spoken).findings
    assert (one.kind, one.line) == ("missing", 11) and "holds no plain file 'a/10.wav'" in one.message


def test_workers_find_what_one_process_finds(spoken: Path) -> None:
    (spoken.parent / "3.wav").unlink()
    paths = [spoken.parent / f"{number}.wav" for number in range(len(MANY_SPOKEN))]
    told: list[int] = []
    apart = examine_all(paths, TINY_SPEECH, 1, told.append)
    assert apart == examine_all(paths, TINY_SPEECH)
    assert sum(told) == len(paths)
    assert apart[paths[3]] == Facts("missing", f"{paths[3]} does not exist or is not a file")
    assert facts.workers_for(100) == 0
