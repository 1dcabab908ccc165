"""Experiments that need data, in their quick forms: the claims hold on what they make themselves, and their parts are right."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts" / "experiments"))
import character_model
import family
import framewise
import joined_words
import keywords
import scaling
import single_words
import soundfile
from PIL import Image

from recog.audio import SpeechFrontend
from recog.ctc.hypothesis import Span
from recog.errors import InputError
from recog.models.network import Network
from recog.tasks import utterances
from recog.tasks.journal import Journal


def quick(experiment: object, folder: Path, *more: str) -> list[str]:
    """Runs a quick form, which must not fail; what stands in its table's first column."""
    files = ["--json", str(folder / "out.json"), "--plot", str(folder / "out.png")]
    assert experiment.main(["--quick", *files, *more]) == 0  # type: ignore[attr-defined]
    found = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    assert found["claims"] and all(claim["holds"] for claim in found["claims"])
    assert (folder / "out.png").stat().st_size > 1000
    return [row["what"] for row in found["rows"]]


NOTHING_LEARNT = {
    character_model: {"learn": lambda *_: [(1.0, 8.0)]},
    family: {"teach": lambda *_: family.Runs((family.Taught(0.6, (0.5, 0.7), 10, 10),), 0.0)},
    scaling: {"teach": lambda *_: family.Runs((family.Taught(0.6, (0.5, 0.7), 10, 10),), 0.0)},
    framewise: {"learn": lambda *_: None},
    keywords: {"learn": lambda *_: None},
}


@pytest.mark.parametrize("experiment", NOTHING_LEARNT, ids=lambda one: one.__name__)
def test_what_learns_nothing_fails_the_quick_form(
    experiment: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, idle in NOTHING_LEARNT[experiment].items():
        monkeypatch.setattr(experiment, name, idle)
    assert experiment.main(["--quick"]) == 1
    assert "FAILS: " in capsys.readouterr().out


def test_a_network_remembers_a_lines_first_letter_which_no_n_gram_does(tmp_path: Path) -> None:
    rows = quick(character_model, tmp_path)
    assert [row for row in rows if "gram, Kneser-Ney" in row] == [f"{n}-gram, Kneser-Ney" for n in range(1, 7)]


def test_the_entropy_of_the_made_up_text_is_that_of_its_draws() -> None:
    # b k a l i m u d: of eight letters and the end, one is drawn of 4, and three syllables of 18.
    assert character_model.made_up_entropy() == pytest.approx((2 + 3 * math.log2(18)) / 9)
    line = character_model.made_up(3).learnt[0]
    assert len(line) == 8 and character_model.MATES[line[0]] == line[-1]


def test_scores_are_probabilities_over_the_next_character_and_the_end() -> None:
    model = character_model.CharacterModel("ab", "lstm", 4, 1, 0.0)
    # All texts of at most two letters, and all beginnings of longer ones, share a probability of 1.
    lines = ["", "a", "b", "aa", "ab", "ba", "bb"]
    scores = model.scores(lines)
    assert [len(one) for one in scores] == [1, 2, 2, 3, 3, 3, 3]
    ended = sum(math.exp(one.sum()) for one in scores[:3])
    going = sum(math.exp(one[:2].sum()) for one in scores[3:])
    assert ended + going == pytest.approx(1, abs=1e-6)
    assert character_model.bits([np.log([0.5, 0.25]), np.log([0.125])]) == pytest.approx((1 + 2 + 3) / 3)


def test_a_peephole_cell_hears_and_the_default_cell_reads_what_it_has_never_met(tmp_path: Path) -> None:
    rows = quick(family, tmp_path)
    assert rows == ["speech: peephole", "handwriting: lstm"]


def test_a_run_that_is_done_is_not_done_again_unless_its_settings_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = family.settings("speech", [*family.QUICK, *family.QUICK_KIND["speech"], "data.weights={}"])
    rows = family.toy_corpus("speech", tmp_path / "toy", 2)
    kept = tmp_path / "runs.jsonl"
    runs = family.teach("a", chosen, rows, tmp_path, 1, Journal(kept))
    (line,) = kept.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["value"]["cer"] == runs.cer == runs.each[0].cer
    # Interrupted between training and line: the run is gone on with, and comes to the same.
    assert family.teach("a", chosen, rows, tmp_path, 1, Journal()).each == runs.each
    monkeypatch.setattr(family.training, "train", lambda *_, **__: pytest.fail("trained again"))
    assert family.teach("a", chosen, rows, tmp_path, 1, Journal(kept)) == replace(
        runs, minutes=json.loads(line)["seconds"] / 60
    )
    for changed in (("a", replace(chosen, text_rule="strict"), 1), ("a", chosen, 2), ("b", chosen, 1)):
        with pytest.raises(pytest.fail.Exception, match="trained again"):
            family.teach(*changed[:2], rows, tmp_path, changed[2], Journal(kept))


def test_each_form_in_the_family_table_is_another_network_but_of_the_same_stream() -> None:
    built = {
        name: Network(family.settings("speech", changes).network, 40, 5)
        for name, changes in family.KINDS_OF_CELL.items()
    }
    told = {name: (network.config, [w.shape for w in network.state_dict().values()]) for name, network in built.items()}
    assert all(told[one] != told[other] for one in told for other in told if one != other)
    assert {network.config.projection for network in built.values()} == {64}


def test_words_are_cut_where_they_stand_and_pages_kept_apart(tmp_path: Path) -> None:
    rows = []
    for page in range(4):
        # A black bar for each word: 10 pixels from 20 on, 30 from 50 on.
        picture = np.full((16, 100), 255, np.uint8)
        picture[:, 20:30] = picture[:, 50:80] = 0
        Image.fromarray(picture).save(tmp_path / f"{page}.png")
        words = [{"text": "to", "box": [20, 0, 30, 16]}, {"text": "be" if page else "No", "box": [50, 0, 80, 16]}]
        rows.append({"image": f"{page}.png", "text": "to be", "page": f"p{page}", "words": words})
    family.manifest.write(tmp_path / "lines.jsonl", rows)
    asked = [str(tmp_path / "lines.jsonl"), "--out", str(tmp_path / "words"), "--words", "2", "--each", "2"]
    assert single_words.main([*asked, "--held-out", "2"]) == 0
    told = {name: family.manifest.read(tmp_path / "words" / f"{name}.jsonl") for name in ("train", "dev")}
    # "be" on pages 1 to 3, "to" on all four, two of each: 1 and 2, 0 and 2; pages 0 and 2 are held out.
    assert [(row.text, row.fields["page"]) for row in told["train"]] == [("be", "p1")]
    assert [(row.text, row.fields["page"], row.fields["part"]) for row in told["dev"]] == [
        ("be", "p2", "tune"),
        ("to", "p0", "report"),
        ("to", "p2", "tune"),
    ]
    with Image.open(told["train"][0].path) as picture:
        assert picture.size == (36, 16)
        assert np.asarray(picture)[0].tolist() == [255] * 3 + [0] * 30 + [255] * 3
    found = single_words.chosen(family.manifest.read(tmp_path / "lines.jsonl"), 2, 2, shortest=3)
    assert found == []  # both have two letters
    family.manifest.write(tmp_path / "none.jsonl", [{"image": "0.png", "text": "to be"}])
    assert single_words.main([str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "x")]) == 1


def test_words_are_joined_in_one_voice_with_pauses_between(tmp_path: Path) -> None:
    rows = []
    for number in range(6):
        # Words of 0.1 s, each at a level of its own; the voices a and b take turns.
        soundfile.write(tmp_path / f"{number}.wav", np.full(1600, (number + 1) / 10, np.float32), 16000, "FLOAT")
        voice = "ab"[number % 2]
        rows.append({"audio": f"{number}.wav", "text": str(number), "speaker": voice, "phones": f"P{number}"})
    family.manifest.write(tmp_path / "words.jsonl", rows)
    asked = [str(tmp_path / "words.jsonl"), "--out", str(tmp_path / "strings"), "--count", "4", "--most", "4"]
    assert joined_words.main(asked) == 0
    for number, row in enumerate(family.manifest.read(tmp_path / "strings" / "rows.jsonl")):
        said = [int(word) for word in row.text.split()]
        assert 3 <= len(said) <= 4 and {one % 2 for one in said} == {number % 2}
        assert row.fields["speaker"] == "ab"[number % 2]
        assert row.fields["phones"] == " ".join(f"P{one}" for one in said)
        sound, _ = soundfile.read(row.path)
        assert row.duration == pytest.approx(len(sound) / 16000)
        levels = [level for at, level in enumerate(sound) if at == 0 or level != sound[at - 1]]
        heard = [round(10 * level) - 1 for level in levels if level > 0.05]
        assert heard == said and len(levels) == 2 * len(said) - 1
        pauses = len(sound) / 16000 - 0.1 * len(said)
        assert 0.05 * (len(said) - 1) <= pauses <= 0.25 * (len(said) - 1)
    assert joined_words.main([*asked, "--least", "5"]) == 1


def test_rows_are_taken_evenly_and_dev_rows_by_their_part(tmp_path: Path) -> None:
    rows = [{"audio": f"{n}.wav", "text": "a", "duration": n / 10} for n in range(1, 11)]
    parts = [{**row, "part": "tune" if n < 4 else "report"} for n, row in enumerate(rows)]
    for name, some in (("train", rows), ("dev", parts)):
        family.manifest.write(tmp_path / f"{name}.jsonl", some)
    chosen = family.settings("speech", [])
    # At most 81 frames of 10 ms: rows of 0.1 to 0.8 s. Every other of those, and of the dev rows 3 to report.
    found = family.corpus(chosen, tmp_path / "train.jsonl", tmp_path / "dev.jsonl", 4, 3, 81)
    assert [row.id for row in found.train] == ["1.wav", "3.wav", "5.wav", "7.wav"]
    assert [row.id for row in found.tune] == ["1.wav"]
    assert [row.id for row in found.report] == ["5.wav", "6.wav", "7.wav"]
    with pytest.raises(InputError, match="at most 5 frames; raise --longest"):
        family.corpus(chosen, tmp_path / "train.jsonl", tmp_path / "dev.jsonl", 4, 3, 5)


def test_more_data_and_more_training_make_fewer_errors(tmp_path: Path) -> None:
    assert quick(scaling, tmp_path)[-1] == "training: the law"


def test_a_power_law_is_found_where_there_is_one() -> None:
    # 0.3 at 1, and a half of it for every factor of four.
    points = [scaling.Point(x, 0.3 * x**-0.5, 0.0) for x in (0.25, 1.0, 4.0)]
    law = scaling.fit(points)
    assert (law.a, law.b, law.explained) == pytest.approx((0.3, 0.5, 1.0))
    assert law.at(16.0) == pytest.approx(0.075)
    with pytest.raises(InputError, match="at least two"):
        scaling.fit(points[:1])


def test_less_data_is_shown_so_often_that_an_epoch_stays_as_long() -> None:
    row = family.manifest.Row("a", Path("a"), "audio", "a", fields={"source": "s"})
    rows = family.Corpus([row] * 12, [], [])
    chosen = family.settings("speech", ["data.weights.s=2.0"])
    sized, few = scaling.shown_as_often(chosen, rows, 0.25)
    assert len(few.train) == 3
    assert sized.data.weights == {"s": 8.0}


def test_both_ways_beat_one_way_and_ctc_beats_frames(tmp_path: Path) -> None:
    rows = quick(framewise, tmp_path)
    assert rows == ["frames, one way", "frames, both ways", "CTC, both ways, 1 layer"]


def test_frames_between_spikes_are_shared_out_and_long_gaps_are_silence() -> None:
    spans = [Span(3, 4, 1.0), Span(7, 8, 1.0), Span(15, 17, 1.0)]
    # A gap of 3 between the first two is theirs, 2 and 1; one of 7 is longer than 4: each gets 2 and the rest is 0.
    found = utterances.spread(spans, [5, 6, 7], 20, 4)
    assert found.tolist() == [0, 5, 5, 5, 5, 5, 6, 6, 6, 6, 0, 0, 0, 7, 7, 7, 7, 7, 7, 0]


def test_whistled_frames_know_their_letter() -> None:
    for one in utterances.whistled(3, 1, 0.0, SpeechFrontend(hop_seconds=0.01)):
        assert len(one.labels) == len(one.features)
        assert framewise.runs(np.eye(9, dtype=np.float32)[one.labels], 1) == tuple(
            label for label, before in zip(one.said, (0, *one.said), strict=False) if label != before
        )


def test_runs_that_are_too_short_are_no_phones() -> None:
    path = [0, 4, 4, 4, 2, 4, 4, 4, 0, 0, 0, 4, 4, 4, 3, 3]
    # 2 and 3 are too short; the fours around the 2 are one, those behind the silence another.
    assert framewise.runs(np.eye(5, dtype=np.float32)[path], 3) == (4, 4)
    assert framewise.runs(np.eye(5, dtype=np.float32)[path], 1) == (4, 2, 4, 4, 3)


def test_label_errors_are_edits_over_all_labels() -> None:
    some = [
        utterances.Utterance(name, None, np.zeros(0, np.int64), said) for name, said in (("a", (1, 2, 3)), ("b", (1,)))
    ]
    # One substitution and one insertion in the first, one deletion in the second: 3 edits, 4 labels.
    assert framewise.label_error([(1, 3, 3, 4), ()], some) == pytest.approx(3 / 4)


def test_one_way_has_as_many_weights_as_both() -> None:
    both = framewise.weights_of(framewise.Stack(20, 24, 2, True, 7))
    hidden = framewise.as_heavy(20, 24, 2, 7)
    one = framewise.weights_of(framewise.Stack(20, hidden, 2, False, 7))
    assert abs(one - both) < 0.03 * both


def test_timits_frames_are_those_of_its_phn_files(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "SX1.wav", np.zeros(4800, np.float32), 16000)
    (tmp_path / "SX1.PHN").write_text("0 800 h#\n800 1600 bcl\n1600 2400 b\n2400 3200 q\n3200 4800 ao\n")
    row = family.manifest.Row("SX1.wav", tmp_path / "SX1.wav", "audio", "h# bcl b q ao")
    (found,) = utterances.from_timit([row], SpeechFrontend(mel_bands=20))
    names = sorted({utterances.phones.fold(name, 39) for name in utterances.phones.LETTERS} - {""})
    sil, b, aa = (names.index(name) + 1 for name in ("sil", "b", "aa"))
    # 800 samples are 5 frames: h# and bcl are both silence, q is nobody's, and the last frame lies past the end.
    assert found.labels.tolist() == [sil] * 10 + [b] * 5 + [-1] * 5 + [aa] * 10 + [-1]
    assert found.said == (sil, b, aa)
    (tmp_path / "SX1.PHN").unlink()
    with pytest.raises(InputError, match=r"no \.PHN beside it"):
        utterances.from_timit([row], SpeechFrontend(mel_bands=20))


def test_frames_are_given_to_the_phones_a_row_tells(tmp_path: Path) -> None:
    import torch
    from conftest import TINY_NETWORK, TINY_SPEECH, spell_wave

    from recog import checkpoint
    from recog.alphabet import Alphabet
    from recog.checkpoint import Bundle

    torch.manual_seed(1)
    network = Network(replace(TINY_NETWORK, phones=39), TINY_SPEECH.features, 3).eval()
    for name, head in ((39, network), (0, Network(TINY_NETWORK, TINY_SPEECH.features, 3).eval())):
        checkpoint.save(Bundle("b", head, TINY_SPEECH, Alphabet(tuple("ab")), "spoken", {}), tmp_path / f"b{name}")
    soundfile.write(tmp_path / "a.wav", spell_wave("abcd"), 8000)
    row = family.manifest.Row("a", tmp_path / "a.wav", "audio", "x", fields={"phones": "K AH1 K"})
    (found,) = utterances.aligned([row], str(tmp_path / "b39"), SpeechFrontend())
    k, ah = (utterances.phones.CMU_NAMES.index(name) + 1 for name in ("K", "AH"))
    # Whatever an untrained head thinks, the phones stand in their order, each somewhere.
    assert found.said == (k, ah, k)
    assert framewise.runs(np.eye(40, dtype=np.float32)[found.labels], 1) == (k, ah, k)
    assert len(found.labels) == len(found.features)
    with pytest.raises(InputError, match="no phone head"):
        utterances.aligned([row], str(tmp_path / "b0"), SpeechFrontend())


def test_keywords_are_told_from_words_one_letter_off(tmp_path: Path) -> None:
    assert quick(keywords, tmp_path) == ["2 keywords, both ways"]


def test_hits_are_traded_for_false_alarms() -> None:
    scores = np.array([[0.9, 0.2], [0.4, 0.8], [0.4, 0.1]])
    said = np.array([[True, False], [False, True], [True, False]])
    # From above: a hit, a hit, then at 0.4 a hit and an alarm at once, then two alarms. Three hits; 2 keywords in 0.5 h.
    found = keywords.trades(scores, said, 0.5)
    assert [one.hits for one in found] == pytest.approx([1 / 3, 2 / 3, 1, 1, 1])
    assert [one.alarms for one in found] == [0, 0, 1, 2, 3]
    # First keyword: of the pairs 0.9 > 0.4 and 0.4 = 0.4; second: 0.8 over both others.
    assert keywords.order_right(scores, said) == pytest.approx((0.75 + 1) / 2)


def test_the_commonest_long_words_are_the_keywords() -> None:
    texts = ["then the little house house", "little by little", "a house then", "then"]
    assert keywords.frequent(texts, 2) == ("then", "house")
    assert keywords.numbers("then a little house then", ("then", "house")) == (1, 2, 1)
