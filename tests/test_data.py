import itertools
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY_HANDWRITING, TINY_SPEECH, draw_line, write_rows
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from recog import data, frontend, manifest
from recog.alphabet import Alphabet
from recog.augment import HandwritingAugment, Masking, SpeechAugment
from recog.augment.passage import Passage
from recog.augment.sound import Speed
from recog.data import DataConfig, Samples
from recog.errors import ConfigError, InputError, ManifestError, TrainingError
from recog.frontend import Frontend

ABCD = Alphabet(tuple(" abcd"))
TEXTS = ["a", "ab", "abc", "abcd", "dcba abcd", "bad cab dad", "a", "dd"]


def samples_of(
    folder: Path,
    texts: list[str] = TEXTS,
    kind: Frontend = TINY_SPEECH,
    augment: SpeechAugment | HandwritingAugment | None = None,
    sources: list[str] | None = None,
) -> Samples:
    rows = manifest.read(write_rows(folder, kind, texts))
    if sources:
        rows = [replace(row, fields={"source": source}) for row, source in zip(rows, sources, strict=True)]
    return Samples(rows, ABCD, kind, "spoken", augment)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.integers(1, 600))
def test_cut_keeps_order_and_the_limit_of_padded_frames(lengths: list[int], frames: int) -> None:
    order = list(range(len(lengths)))[::-1]
    batches = data.cut(order, lengths, frames)
    assert [index for batch in batches for index in batch] == order
    for batch in batches:
        padded = len(batch) * max(lengths[index] for index in batch)
        assert padded <= frames or len(batch) == 1
    # No batch could have taken in the next one's first row as well.
    for batch, following in itertools.pairwise(batches):
        joined = [*batch, following[0]]
        assert len(joined) * max(lengths[index] for index in joined) > frames


def test_every_row_is_in_an_epoch_exactly_once(tmp_path: Path) -> None:
    samples = samples_of(tmp_path)
    for number in range(4):
        batches = samples.epoch(number, 1, DataConfig(batch_frames=120))
        assert sorted(index for batch in batches for index in batch) == list(range(len(TEXTS)))
        assert all(len(batch) * max(samples.lengths[i] for i in batch) <= 120 or len(batch) == 1 for batch in batches)


def test_epochs_repeat_with_the_seed_and_differ_among_themselves(tmp_path: Path) -> None:
    samples, config = samples_of(tmp_path), DataConfig(batch_frames=60)
    assert samples.epoch(3, 1, config) == samples.epoch(3, 1, config)
    assert samples.epoch(3, 1, config) != samples.epoch(4, 1, config)
    assert samples.epoch(3, 1, config) != samples.epoch(3, 2, config)


def test_the_first_epoch_goes_from_short_to_long_if_asked(tmp_path: Path) -> None:
    samples = samples_of(tmp_path)
    longest = [
        [
            max(samples.lengths[index] for index in batch)
            for batch in samples.epoch(0, seed, DataConfig(1, short_first=short))
        ]
        for seed, short in ((1, True), (1, False))
    ]
    assert all(one <= 1.2 * other for one, other in zip(longest[0], longest[0][1:], strict=False))
    assert sorted(longest[1]) != longest[1]


def test_early_epochs_have_their_own_batch_size(tmp_path: Path) -> None:
    samples, config = samples_of(tmp_path), DataConfig(batch_frames=10000, early_batch_frames=1, early_epochs=1)
    assert len(samples.epoch(0, 1, config)) == len(TEXTS)
    assert len(samples.epoch(1, 1, config)) == 1


def test_weights_are_the_mean_number_of_times_a_row_is_seen(tmp_path: Path) -> None:
    samples = samples_of(tmp_path, sources=["rare"] * 4 + ["often"] * 3 + ["plain"])
    config = DataConfig(weights={"rare": 0.25, "often": 2.0})
    seen: Counter[int] = Counter()
    for number in range(400):
        seen.update(item % len(samples) for batch in samples.epoch(number, 1, config) for item in batch)
    for index in range(4):
        assert seen[index] / 400 == pytest.approx(0.25, abs=0.08)
    assert [seen[index] for index in (4, 5, 6, 7)] == [800, 800, 800, 400]


def test_a_weight_for_an_unknown_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.weights names \['bulit'\], which no training row has as its source"):
        samples_of(tmp_path).epoch(0, 1, DataConfig(weights={"bulit": 2.0}))
    with pytest.raises(ConfigError, match="leave no row"):
        samples_of(tmp_path).epoch(0, 1, DataConfig(weights={"built": 0.0}))


def test_copies_limit_the_rows_of_one_text_and_draw_them_anew(tmp_path: Path) -> None:
    samples = samples_of(tmp_path, ["ab"] * 6 + ["cd", "cd", "a"])
    chosen = [
        frozenset(index for batch in samples.epoch(number, 1, DataConfig(copies=2)) for index in batch)
        for number in range(30)
    ]
    for rows in chosen:
        assert len(rows & set(range(6))) == 2
        assert {6, 7, 8} <= rows
    assert frozenset.union(*chosen) == set(range(9))


def test_rows_that_cannot_be_trained_on_are_counted(tmp_path: Path) -> None:
    samples = samples_of(tmp_path, ["ab", "xy", "", "???", "cd", "ax"])
    assert [row.text for row in samples.rows] == ["ab", "cd"]
    assert samples.targets == [(2, 3), (4, 5)]
    assert samples.left_out == {"symbols outside the alphabet": 2, "empty text": 2}
    with pytest.raises(TrainingError, match=r"none of 1 rows can be trained on: \{'empty text': 1\}"):
        samples_of(tmp_path, ["?"])


@pytest.mark.parametrize(
    ("kind", "augment"),
    [
        (TINY_SPEECH, SpeechAugment(tempo=0.1, warp=0.1, masking=Masking(2, 4, 20, 5))),
        (
            TINY_HANDWRITING,
            HandwritingAugment(slant=0.2, elastic=1, noise=0.5, masking=Masking(time_every=20, time_width=5)),
        ),
    ],
    ids=["speech", "handwriting"],
)
def test_an_example_depends_on_seed_epoch_and_index_alone(
    tmp_path: Path, kind: Frontend, augment: SpeechAugment | HandwritingAugment
) -> None:
    one, other = samples_of(tmp_path, kind=kind, augment=augment), samples_of(tmp_path, kind=kind, augment=augment)
    other.store._left = 0  # keeps nothing: decodes anew each time
    for index in (5, 0, 5):
        other.example(index, 7, 7)  # whatever came before
    for epoch, seed in ((0, 1), (1, 1), (0, 2)):
        for index in (0, 5):
            assert torch.equal(one.example(index, epoch, seed).features, other.example(index, epoch, seed).features)
    features = [one.example(5, epoch, seed).features for epoch, seed in ((0, 1), (1, 1), (0, 2))]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert features[first].shape != features[second].shape or not torch.equal(features[first], features[second])


@pytest.mark.parametrize("kind", [TINY_SPEECH, TINY_HANDWRITING], ids=["speech", "handwriting"])
def test_without_augmentation_training_sees_what_use_sees(tmp_path: Path, kind: Frontend) -> None:
    samples = samples_of(tmp_path, kind=kind)
    for index, row in enumerate(samples.rows):
        for _ in range(2):  # decoded, and then from memory
            example = samples.example(index, 3, 3)
            assert torch.equal(example.features, frontend.extract(row.path, kind))
            assert example.id == row.id
            assert ABCD.decode(example.target) == row.text


def test_examples_gives_the_batch_in_order(tmp_path: Path) -> None:
    assert [example.id for example in data.examples(samples_of(tmp_path), [4, 0, 2], 0, 1)] == [
        "4.wav",
        "0.wav",
        "2.wav",
    ]


def test_lengths_tell_the_frames_without_decoding(tmp_path: Path) -> None:
    for kind in (TINY_SPEECH, TINY_HANDWRITING):
        samples = samples_of(tmp_path, kind=kind)
        true = [len(samples.example(index, 0, 0).features) for index in range(len(samples))]
        assert np.abs(np.array(samples.lengths) - true).max() <= 1
    without = [replace(row, duration=None) for row in samples_of(tmp_path).rows]
    assert [data.length(row, TINY_SPEECH) for row in without] == samples_of(tmp_path).lengths


@pytest.mark.parametrize(
    ("kind", "augment"),
    [
        (TINY_SPEECH, SpeechAugment(tempo=0.2, speed=Speed(0.5, 0.2))),
        (TINY_HANDWRITING, HandwritingAugment(slant=0.3, stretch=0.3, scale=0.3)),
    ],
    ids=["speech", "handwriting"],
)
def test_batches_are_cut_by_the_lengths_that_examples_will_have(
    tmp_path: Path, kind: Frontend, augment: SpeechAugment | HandwritingAugment
) -> None:
    samples = samples_of(tmp_path, kind=kind, augment=augment)
    config = DataConfig(batch_frames=800, weights={"built": 60.0})
    for number in (0, 1):
        batches = samples.epoch(number, 1, config)
        drawn = [[samples.draw(item, number, 1).length for item in batch] for batch in batches]
        for batch, lengths in zip(batches[::20], drawn[::20], strict=True):
            true = [len(samples.example(item, number, 1).features) for item in batch]
            assert np.abs(np.array(true) - lengths).max() <= 3
        padded = sum(len(lengths) * max(lengths) for lengths in drawn)
        assert 1 - sum(map(sum, drawn)) / padded < 0.08


def test_a_row_seen_twice_in_an_epoch_is_changed_anew(tmp_path: Path) -> None:
    samples = samples_of(tmp_path, augment=SpeechAugment(tempo=0.3, warp=0.3))
    items = sorted(item for batch in samples.epoch(1, 1, DataConfig(weights={"built": 3.0})) for item in batch)
    assert items == list(range(3 * len(TEXTS)))
    first, second = (samples.example(item, 1, 1) for item in (5, 5 + len(TEXTS)))
    assert (first.id, first.target) == (second.id, second.target)
    assert first.features.shape != second.features.shape or not torch.equal(first.features, second.features)


def test_an_epoch_goes_through_a_few_shards_at_a_time(tmp_path: Path) -> None:
    write_rows(tmp_path, TINY_SPEECH, TEXTS)
    rows = []
    for number in range(len(TEXTS)):
        with tarfile.open(tmp_path / f"{number // 2}.tar", "a") as tar:
            tar.add(tmp_path / f"{number}.wav", f"{number}.wav")
        rows.append({"audio": f"{number // 2}.tar/{number}.wav", "text": TEXTS[number]})
    manifest.write(tmp_path / "tars.jsonl", rows)
    samples = Samples(manifest.read(tmp_path / "tars.jsonl"), ABCD, TINY_SPEECH, "spoken")
    orders = set()
    for number in range(6):
        batches = samples.epoch(number, 1, DataConfig(batch_frames=1, shards_at_once=2))
        shards = [item // 2 for batch in batches for item in batch]
        assert len(set(shards[:4])) == len(set(shards[4:])) == 2
        assert set(shards) == {0, 1, 2, 3}
        orders.add(tuple(shards))
    assert len(orders) > 3


def test_a_picture_stored_on_its_side_has_its_upright_length(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    draw_line("a longer line").transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=exif)
    manifest.write(tmp_path / "m.jsonl", [{"image": "a.png", "text": "x"}])
    (row,) = manifest.read(tmp_path / "m.jsonl")
    assert data.length(row, TINY_HANDWRITING) == len(frontend.extract(row.path, TINY_HANDWRITING))


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    path = write_rows(tmp_path, TINY_HANDWRITING, ["ab"])
    (tmp_path / "0.png").unlink()
    with pytest.raises(InputError, match=r"0\.png"):
        Samples(manifest.read(path), ABCD, TINY_HANDWRITING, "spoken")


@pytest.mark.parametrize(
    "settings",
    [{"batch_frames": 0}, {"early_batch_frames": 0}, {"copies": -1}, {"weights": {"built": -1.0}}, {"workers": -1}],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"^data: "):
        DataConfig(**settings)  # type: ignore[arg-type]


def test_phones_of_a_row_are_told_by_its_manifest(tmp_path: Path) -> None:
    rows = manifest.read(write_rows(tmp_path, TINY_SPEECH, ["ab", "cd", "a", "abcd" * 4]))
    said = ["AA1 B", None, "ZH AE", None]  # the last one is long, so that others may be joined
    rows = [replace(row, fields={"phones": names} if names else {}) for row, names in zip(rows, said, strict=True)]
    samples = Samples(rows, ABCD, TINY_SPEECH, "spoken")
    assert [samples.example(index, 0, 1).phones for index in range(3)] == [(1, 7), None, (39, 2)]
    together = [replace(row, fields={**row.fields, "speaker": "s"}) for row in (rows[0], rows[2])]
    joined = Samples([*together, rows[3]], ABCD, TINY_SPEECH, "spoken", SpeechAugment(passage=Passage(join=1.0)))
    assert samples.targets[0] == (2, 3)
    found = {(one.target, one.phones) for one in (joined.example(0, epoch, 1) for epoch in range(9))}
    assert ((2, 3, 1, 2), (1, 7, 39, 2)) in found
    assert found <= {((2, 3, 1, 2), (1, 7, 39, 2)), ((2, 3), (1, 7))}
    for names, sentence in (("DX", "row .*'DX' is no phone"), (" ", "'phones' is ' '"), (["B"], "'phones' is")):
        with pytest.raises(ManifestError, match=sentence):
            Samples([replace(rows[0], fields={"phones": names})], ABCD, TINY_SPEECH, "spoken")
