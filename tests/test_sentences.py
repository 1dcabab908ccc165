import pytest

from recog.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two!  Three? ", ["One.", "Two!", "Three?"]),
        ("A line\nthat is broken. And\nanother", ["A line\nthat is broken.", "And\nanother"]),
        ("THE TITLE\n\nBy Somebody\n \nIt began.", ["THE TITLE", "By Somebody", "It began."]),
        # A small letter goes on with the sentence, a closing quote belongs to it.
        ("“Why?” she asked. ‘No.’ He left… Then, and so", ["“Why?” she asked.", "‘No.’", "He left…", "Then, and so"]),
        # Abbreviations, initials and figures end nothing; what only ends like them does.
        (
            "Mr. Smith met J. S. Bach, No. 7, at 3.5 p.m. They sang.",
            ["Mr. Smith met J. S. Bach, No. 7, at 3.5 p.m. They sang."],
        ),
        ("His head emerg'd. And then I'd. Best. Go.", ["His head emerg'd.", "And then I'd.", "Best.", "Go."]),
        ("Él vino. Ça va. Über uns. Ἦλθε. А он?", ["Él vino.", "Ça va.", "Über uns.", "Ἦλθε.", "А он?"]),
        ("一。二！三", ["一。", "二！", "三"]),
        ("", []),
        (" \n\n ", []),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert [text[one.start : one.end] for one in sentences(text)] == expected


def test_nothing_is_lost_but_white_space() -> None:
    text = "A.  B. \n\n C? d. “E!”\tF"
    assert "".join(text[one.start : one.end] for one in sentences(text)).split() != []
    assert "".join("".join(text[one.start : one.end] for one in sentences(text)).split()) == "".join(text.split())
