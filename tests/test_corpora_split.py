"""Which rows go into dev: as many as promised, always the same ones, and no voice on both sides."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.corpora.found import Sample
from recog.corpora.split import split


def samples(groups: list[str]) -> list[Sample]:
    return [Sample(group, {"audio": f"{number}", "text": "x"}) for number, group in enumerate(groups)]


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
