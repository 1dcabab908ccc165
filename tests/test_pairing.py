"""What is dropped becomes pairs: each text with its own file, and nothing is opened that was not dropped."""

import json
from pathlib import Path

import pytest

from pipelines import measurement, pairing
from recog.errors import InputError
from recog.evaluation import Evaluation, Pair
from recog.manifest import Row


def told(pairs: tuple[Pair, ...]) -> list[tuple[str, str, str]]:
    return [(pair.row.id, pair.row.text, pair.hypothesis) for pair in pairs]


def written(folder: Path, **files: str) -> list[Path]:
    """Files by their names, with __ for a dot."""
    paths = []
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_text(content, encoding="utf-8")
        paths.append(path)
    return paths


def heard(path: Path, media: str) -> str:
    return f"{media} {path.name}"


# Texts ----------------------------------------------------------------------------------------------------------------


def test_two_columns_of_text_are_paired_line_by_line() -> None:
    found = pairing.columns("one\r\n\r\nthree", "one\ntwo\nthree\n")
    assert told(found.pairs) == [("line 1", "one", "one"), ("line 2", "", "two"), ("line 3", "three", "three")]
    # The last line may be read as nothing.
    assert told(pairing.columns("a\nb", "a\n").pairs)[1] == ("line 2", "b", "")


@pytest.mark.parametrize(
    ("references", "hypotheses", "sentence"),
    [
        ("a\nb", "a", "2 lines of references and 1 of hypotheses came"),
        ("", "a", "there is no reference text"),
        ("\n\n", "a\nb", "there is no reference text"),
    ],
)
def test_texts_that_do_not_fit_are_refused(references: str, hypotheses: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        pairing.columns(references, hypotheses)


@pytest.mark.parametrize(
    "content",
    [
        'id,hypothesis,speaker,reference\nx,"a, b",s1,a b\ny,,s2,c\n',
        "Reference;Hypothesis;name;speaker\na b;a, b;x;s1\n\nc;;y;s2\n",
        "\ufeffreference\thypothesis\tid\tspeaker\r\na b\ta, b\tx\ts1\r\nc\t\ty\ts2\r\n",
    ],
)
def test_a_table_is_read_by_the_names_of_its_columns(tmp_path: Path, content: str) -> None:
    [path] = written(tmp_path, table__csv=content)
    found = pairing.files([path], heard)
    assert told(found.pairs) == [("x", "a b", "a, b"), ("y", "c", "")]
    assert [pair.row.fields["speaker"] for pair in found.pairs] == ["s1", "s2"]


def test_a_table_without_names_has_references_first(tmp_path: Path) -> None:
    [path] = written(tmp_path, table__tsv="right\tread\nso\tsew\n")
    assert told(pairing.files([path], heard).pairs) == [("row 1", "right", "read"), ("row 2", "so", "sew")]
    path.write_text("only one\n")
    with pytest.raises(InputError, match=r"row 1 of table\.tsv has 1 columns; expected a reference and a hypothesis"):
        pairing.files([path], heard)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    pairs = (
        Pair(Row("a.wav", Path("a.wav"), "audio", "one", None, {}), "won"),
        Pair(Row("b.wav", Path("b.wav"), "audio", "two", None, {}), "", "b.wav is empty"),
    )
    [path] = written(tmp_path, report__json=json.dumps(measurement.as_json(Evaluation(pairs, "spoken", 1.0, 0.0))))
    found = pairing.files([path], heard).pairs
    assert told(found) == told(pairs) and [pair.failure for pair in found] == ["", "b.wav is empty"]


@pytest.mark.parametrize("content", ["[]", "{", '{"pairs": [{"id": 1}]}', '{"pairs": 3}', "[" * 100_000])
def test_what_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    [path] = written(tmp_path, report__json=content)
    with pytest.raises(InputError, match=r"report\.json is no report of `recog evaluate --json`"):
        pairing.files([path], heard)


# Files ----------------------------------------------------------------------------------------------------------------


def test_texts_beside_their_files_are_found_and_others_named(tmp_path: Path) -> None:
    paths = written(tmp_path, a__wav="", a__txt="said\nhere\n", b__png="", b__gt__txt="Written", c__wav="", d__txt="?")
    done: list[tuple[int, int]] = []
    found = pairing.files(paths, heard, lambda *how_far: done.append(how_far))
    assert told(found.pairs) == [("a.wav", "said here", "audio a.wav"), ("b.png", "Written", "image b.png")]
    assert found.left_out == ("c.wav, which has no text", "d.txt, which belongs to no file")
    assert done == [(0, 2), (1, 2)]


def test_a_manifest_names_dropped_files_and_opens_no_others(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_text("")
    dropped = tmp_path / "dropped"
    dropped.mkdir()
    rows = [
        {"audio": "clips/a.wav", "text": "one", "speaker": "s"},
        {"audio": "../secret.wav", "text": "two"},
        {"audio": str(secret), "text": "three"},
    ]
    paths = written(dropped, rows__jsonl="\n".join(map(json.dumps, rows)), a__wav="")
    opened: list[Path] = []
    found = pairing.files(paths, lambda path, media: (opened.append(path), heard(path, media))[1])
    assert told(found.pairs) == [("a.wav", "one", "audio a.wav")] and found.pairs[0].row.fields["speaker"] == "s"
    assert opened == [dropped / "a.wav"]
    assert found.left_out == ("2 rows of rows.jsonl, without a file that came",)


def test_a_file_that_cannot_be_read_is_a_pair_with_its_reason(tmp_path: Path) -> None:
    def refuse(path: Path, media: str) -> str:
        raise InputError(f"{path} is not a recording")

    [pair] = pairing.files(written(tmp_path, a__wav="", a__txt="said"), refuse).pairs
    assert (pair.hypothesis, pair.failure) == ("", "a.wav is not a recording")


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    paths = written(tmp_path, a__wav="", b__txt="", t__csv="a,b", rows__jsonl="{", latin__txt="")
    with pytest.raises(InputError, match="none of the 2 files has its text"):
        pairing.files(paths[:2], heard)
    with pytest.raises(InputError, match=r"t\.csv is a table or report and comes alone; 2 files came"):
        pairing.files([paths[0], paths[2]], heard)
    with pytest.raises(InputError, match=r"line 1 of rows\.jsonl is not JSON"):
        pairing.files([paths[0], paths[3]], heard)
    (tmp_path / "more").mkdir()
    with pytest.raises(InputError, match=r"two files are called a\.wav"):
        pairing.files([paths[0], *written(tmp_path / "more", a__wav="")], heard)
    paths[1].with_name("a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"^a\.txt cannot be read as UTF-8 text"):
        pairing.files([paths[0], tmp_path / "a.txt"], heard)
