import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recog import manifest
from recog.errors import ManifestError

GOOD = '{"audio": "a.wav", "text": "Hi", "duration": 1.5, "speaker": "s1", "part": "tune"}'


def test_rows(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(GOOD + "\n\n" + '{"image": "/far/b.png", "text": ""}\n', encoding="utf-8")
    sound, picture = manifest.read(path)
    assert sound == manifest.Row("a.wav", tmp_path / "a.wav", "audio", "Hi", 1.5)
    assert sound.fields == json.loads(GOOD)
    assert picture == manifest.Row("/far/b.png", Path("/far/b.png"), "image", "", None)


def test_part_picks_rows(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(GOOD + "\n" + GOOD.replace("tune", "report") + "\n", encoding="utf-8")
    assert [row.fields["part"] for row in manifest.read(path, "report")] == ["report"]
    with pytest.raises(ManifestError, match=r"holds no row with part 'test'$"):
        manifest.read(path, "test")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "is not JSON: .* at column 2"),
        ("[1]", "is a list; expected an object with 'audio' or 'image' and 'text'"),
        ("null", "is a NoneType"),
        ('{"text": "x"}', "has 0 of the keys 'audio' and 'image'"),
        ('{"audio": "a", "image": "b", "text": "x"}', "has 2 of the keys"),
        ('{"audio": "", "text": "x"}', "'audio' is ''; expected a path"),
        ('{"image": 3, "text": "x"}', "'image' is 3; expected a path"),
        ('{"audio": "a"}', "'text' is None; expected a string"),
        ('{"audio": "a", "text": ["x"]}', "'text' is .*; expected a string"),
        ('{"audio": "a", "text": "x", "duration": "1"}', "'duration' is '1'; expected seconds"),
        ('{"audio": "a", "text": "x", "duration": -1}', "'duration' is -1"),
        ('{"audio": "a", "text": "x", "duration": true}', "'duration' is True"),
        ('{"audio": "a", "text": "x", "duration": NaN}', "'duration' is nan"),
        ('{"audio": "a", "text": "x", "duration": 1e999}', "'duration' is inf"),
        ('{"audio": "a", "text": "\\ud83d"}', "half a surrogate pair"),
    ],
)
def test_a_malformed_line_is_refused_by_its_number(tmp_path: Path, line: str, sentence: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(f"{GOOD}\n\n{line}\n", encoding="utf-8")
    with pytest.raises(ManifestError, match=sentence) as caught:
        manifest.read(path)
    assert str(caught.value).startswith(f"line 3 of {path}")
    assert "\n" not in str(caught.value)


def test_unreadable_manifests_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with pytest.raises(ManifestError, match="cannot be read as UTF-8 text"):
        manifest.read(path)
    path.write_bytes(b'{"audio": "a", "text": "\xff"}')
    with pytest.raises(ManifestError, match="cannot be read as UTF-8 text"):
        manifest.read(path)
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(ManifestError, match=r"holds no row$"):
        manifest.read(path)


def test_a_manifest_saved_by_a_windows_editor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n" + GOOD.encode() + b"\r\n")
    assert [row.text for row in manifest.read(path)] == ["Hi", "Hi"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=5))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    # Line separators such as U+2028 and U+0085 once cut a row in two.
    path = tmp_path_factory.mktemp("manifest") / "m.jsonl"
    assert manifest.write(path, [{"audio": "a", "text": text} for text in texts]) == len(texts)
    assert [row.text for row in manifest.read(path)] == texts
    assert [file.name for file in path.parent.iterdir()] == ["m.jsonl"]


def test_line_separators_inside_a_text_do_not_part_rows(tmp_path: Path) -> None:
    manifest.write(tmp_path / "m.jsonl", [{"audio": "a", "text": "one\u2028two\u0085three\x0cfour"}])
    assert [row.text for row in manifest.read(tmp_path / "m.jsonl")] == ["one\u2028two\u0085three\x0cfour"]


def test_writing_that_fails_leaves_the_old_manifest_whole(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    manifest.write(path, [{"audio": "a", "text": "old"}])
    with pytest.raises(TypeError):
        manifest.write(path, [{"audio": "a", "text": "new"}, {"audio": "a", "text": object()}])
    assert [row.text for row in manifest.read(path)] == ["old"]


def test_scan_gives_every_line_its_number_and_goes_on_after_a_malformed_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"audio": "a", "text": "x"}\n\n{"audio": 3, "text": "x"}\n{"image": "b", "text": "y"}\n')
    first, bad, last = manifest.scan(path)
    assert isinstance(first, manifest.Row) and isinstance(last, manifest.Row) and isinstance(bad, manifest.Malformed)
    assert (first.line, bad.line, last.line) == (1, 3, 4)
    assert bad.reason == f"line 3 of {path}: 'audio' is 3; expected a path"


def test_lines_of_a_page_stand_in_the_order_of_their_names() -> None:
    def row(name: str, page: str | None, source: str = "a") -> manifest.Row:
        return manifest.Row(name, Path(name), "image", "", fields={"page": page, "source": source} if page else {})

    names = [
        ("p1_l10.png", "1"),
        ("x.png", None),
        ("p1_l9.png", "1"),
        ("p2_l1.png", "2"),
        ("p1_l100.png", "1"),
        ("y", None),
    ]
    assert manifest.pages([row(*name) for name in names]) == [[2, 0, 4], [1], [3], [5]]
    assert manifest.pages([row("l2", "1"), row("l1", "1", "b"), row("l1", "1")]) == [[2, 0], [1]]
    assert sorted(["b10", "a", "b9", "b", "10", "9c"], key=manifest.natural) == ["9c", "10", "a", "b", "b9", "b10"]
    assert manifest.pages([]) == []
