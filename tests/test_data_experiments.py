"""Experiments that need data, in their quick forms: the claims hold on what they make themselves, and their parts are right."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts" / "experiments"))
import character_model


def quick(experiment: object, folder: Path, *more: str) -> list[str]:
    """Runs a quick form, which must not fail; what stands in its table's first column."""
    files = ["--json", str(folder / "out.json"), "--plot", str(folder / "out.png")]
    assert experiment.main(["--quick", *files, *more]) == 0  # type: ignore[attr-defined]
    found = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    assert found["claims"] and all(claim["holds"] for claim in found["claims"])
    assert (folder / "out.png").stat().st_size > 1000
    return [row["what"] for row in found["rows"]]


def test_a_network_remembers_a_lines_first_letter_which_no_n_gram_does(tmp_path: Path) -> None:
    rows = quick(character_model, tmp_path)
    assert [row for row in rows if "gram, Kneser-Ney" in row] == [f"{n}-gram, Kneser-Ney" for n in range(1, 7)]


def test_the_entropy_of_the_made_up_text_is_that_of_its_draws() -> None:
    # b k a l i m u n a d: of ten letters and the end, one is drawn of 4, and four syllables of 18.
    assert character_model.made_up_entropy() == pytest.approx((2 + 4 * math.log2(18)) / 11)
    line = character_model.made_up(3).learnt[0]
    assert len(line) == 10 and character_model.MATES[line[0]] == line[-1]


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
