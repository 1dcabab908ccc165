"""SRT, CTM and TextGrid: files written by hand, round trips, refusals; words into cues."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recog.errors import ConfigError, InputError
from recog.formats import ctm, docx, srt, textgrid, vtt
from recog.formats.ctm import CtmRecording
from recog.formats.cues import CueOptions, cues
from recog.formats.docx import Paragraph, paragraphs
from recog.formats.textgrid import TextGrid, Tier
from recog.formats.timed import Timed, check_order
from recog.formats.vtt import VoicedCue

SAID = [Timed("Well,", 0.5, 0.75, 0.5), Timed("1860", 0.75, 1.5), Timed('"so"', 3661.25, 3661.5, 1.0)]

SRT = """1
00:00:00,500 --> 00:00:00,750
Well,

2
00:00:00,750 --> 00:00:01,500
1860

3
01:01:01,250 --> 01:01:01,500
"so"
"""

VTT = """WEBVTT

00:00:00.500 --> 00:00:00.750
Well,

00:00:00.750 --> 00:00:01.500
<v Channel 1>a &lt; b &amp; c

01:01:01.250 --> 01:01:01.500
two
lines
"""
VOICED = [
    VoicedCue("Well,", 0.5, 0.75),
    VoicedCue("a < b & c", 0.75, 1.5, voice="Channel 1"),
    VoicedCue("two\nlines", 3661.25, 3661.5),
]

CTM = """take_1 1 0.500 0.250 Well, 0.5000
take_1 1 0.750 0.750 1860
take_1 1 3661.250 0.250 "so" 1.0000
"""

TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 2.5
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 0.75
            text = "Well,"
        intervals [3]:
            xmin = 0.75
            xmax = 1.5
            text = "a ""b"" 7"
        intervals [4]:
            xmin = 1.5
            xmax = 2.5
            text = ""
    item [2]:
        class = "IntervalTier"
        name = "empty"
        xmin = 0
        xmax = 2.5
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 2.5
            text = ""
"""
GRID = TextGrid(2.5, (Tier("words", (Timed("Well,", 0.5, 0.75), Timed('a "b" 7', 0.75, 1.5))), Tier("empty", ())))


def test_files_written_by_hand() -> None:
    assert srt.dumps(SAID) == SRT
    assert ctm.dumps([CtmRecording("take 1", tuple(SAID))]) == CTM
    assert textgrid.dumps(GRID) == TEXTGRID


def test_files_read_back() -> None:
    assert srt.loads(SRT) == [Timed(one.text, one.start, one.end) for one in SAID]
    assert ctm.loads(CTM) == [CtmRecording("take_1", tuple(SAID))]
    assert textgrid.loads(TEXTGRID) == GRID


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8)


@st.composite
def spoken(draw: st.DrawFn) -> list[Timed]:
    """Words in order, on whole milliseconds, each a millisecond long or more."""
    edges = sorted(draw(st.sets(st.integers(0, 10_000_000), min_size=0, max_size=12)))
    return [
        Timed(draw(WORDS), start / 1000, end / 1000, draw(st.none() | st.integers(0, 100).map(lambda n: n / 100)))
        for start, end in zip(edges[::2], edges[1::2], strict=False)
    ]


def plain(pieces: list[Timed]) -> list[Timed]:
    return [Timed(one.text, one.start, one.end) for one in pieces]


@given(spoken())
def test_round_trips(words: list[Timed]) -> None:
    assert srt.loads(srt.dumps(words)) == plain(words)
    assert ctm.loads(ctm.dumps([CtmRecording("a", tuple(words))])) == (
        [CtmRecording("a", tuple(words))] if words else []
    )
    grid = TextGrid(10_001.0, (Tier('na"me', tuple(plain(words))),))
    assert textgrid.loads(textgrid.dumps(grid)) == grid


def test_subtitles_of_other_hands() -> None:
    foreign = (
        "\ufeff1\r\n0:00:01.500"
        + " --> 00:00:02,000 X1:10\r\none\r\ntwo\r\n\r\n\r\n00:00:03,000 --> 00:00:04,000\r\nno number"
    )
    assert srt.loads(foreign) == [Timed("one\ntwo", 1.5, 2.0), Timed("no number", 3.0, 4.0)]
    assert srt.loads("") == []
    with pytest.raises(InputError, match=r"a.srt, line 4: 'no times' begins no cue"):
        srt.loads("1\n00:00:01,000 --> 00:00:02,000\n\nno times\nhere", "a.srt")


def test_an_empty_line_in_a_cue_would_end_it() -> None:
    assert srt.loads(srt.dumps([Timed("a\n\n b", 0.0, 1.0)])) == [Timed("a\n b", 0.0, 1.0)]


def test_ctm_of_other_hands() -> None:
    found = ctm.loads(";; made by hand\nx A 1.0 0.5 yes NA\ny A 0 1 no 0.5\nx A 2 1 so -3.2\n")
    assert found == [
        CtmRecording("x", (Timed("yes", 1.0, 1.5), Timed("so", 2.0, 3.0, -3.2)), "A"),
        CtmRecording("y", (Timed("no", 0.0, 1.0, 0.5),), "A"),
    ]
    with pytest.raises(InputError, match=r"b\.ctm, line 2: 3 fields came"):
        ctm.loads("\nx A 1.0\n", "b.ctm")
    with pytest.raises(InputError, match="line 1: could not convert"):
        ctm.loads("x A one 0.5 yes\n")


def test_the_short_form_and_points(tmp_path: Path) -> None:
    short = (
        '"ooTextFile"\n"TextGrid"\n0\n2\n<exists>\n2\n"IntervalTier"\n"w"\n0\n2\n2\n0\n1\n"a ! b"\n1\n2\n""\n'
        '"TextTier" ! a comment with 7\n"p"\n0\n2\n1\n0.5\n"x [1]"\n'
    )
    expected = TextGrid(2.0, (Tier("w", (Timed("a ! b", 0.0, 1.0),)), Tier("p", (Timed("x [1]", 0.5, 0.5),))))
    assert textgrid.loads(f"File type = {short.replace(chr(10), ' ', 1)}") == expected
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "a.TextGrid").write_text(short, encoding=encoding)
        assert textgrid.read(tmp_path / "a.TextGrid") == expected
    assert textgrid.loads('"ooTextFile" "TextGrid" 0 3 <absent>') == TextGrid(3.0, ())


@pytest.mark.parametrize("cut", [60, 200, 400, len(TEXTGRID) - 20])
def test_a_grid_that_breaks_off_is_refused(cut: int) -> None:
    with pytest.raises(InputError, match=r"breaks off|is no TextGrid"):
        textgrid.loads(TEXTGRID[:cut])
    with pytest.raises(InputError, match="cannot be read as a TextGrid"):
        textgrid.read(Path("nowhere.TextGrid"))


def test_a_word_without_length_joins_its_neighbour() -> None:
    pieces = (Timed("£", 1.0, 1.0), Timed("a", 1.0, 2.0), Timed("7", 2.0, 2.0), Timed("b", 2.0, 3.0))
    read = textgrid.loads(textgrid.dumps(TextGrid(3.0, (Tier("w", pieces),))))
    assert read.tiers[0].pieces == (Timed("£ a 7", 1.0, 2.0), Timed("b", 2.0, 3.0))


def test_disorder_is_refused() -> None:
    with pytest.raises(InputError, match=r"'b' starts at 1.0 s, before 'a' has ended at 2.0 s"):
        check_order([Timed("a", 0.0, 2.0), Timed("b", 1.0, 3.0)], "x")
    with pytest.raises(InputError, match="expected 0 <= start <= end"):
        check_order([Timed("a", 2.0, 1.0)], "x")
    with pytest.raises(InputError, match="after the recording"):
        textgrid.dumps(TextGrid(1.0, (Tier("w", (Timed("a", 0.0, 2.0),)),)))


def test_cues_end_with_sentences_pauses_lines_and_time() -> None:
    # Ten letters a word, half a second each, a tenth between.
    words = [Timed("abcdefghi" + sign, 0.6 * n, 0.6 * n + 0.5, 0.9) for n, sign in enumerate("k.klmnopqrstu")]
    words += [Timed("late", 20.0, 20.2), Timed("later", 20.5, 20.7, 0.3)]
    found = cues(words, CueOptions(line_characters=32, lines=2))
    # The end of a sentence; then two lines of three words: 3 * 10 letters and 2 spaces are 32.
    assert [cue.text.split() for cue in found] == [
        ["abcdefghik", "abcdefghi."],
        [f"abcdefghi{sign}" for sign in "klmnop"],
        [f"abcdefghi{sign}" for sign in "qrstu"],
        ["late", "later"],
    ]
    assert all(len(line) <= 32 for cue in found for line in cue.text.split("\n"))
    assert (found[3].start, found[3].end, found[3].confidence) == (20.0, 20.7, 0.3)
    # 7 s hold 11 words: 10 * 0.6 + 0.5 = 6.5 s.
    long = cues([Timed("a", 0.6 * n, 0.6 * n + 0.5) for n in range(12)])
    assert [len(cue.text.split()) for cue in long] == [11, 1]
    assert cues([]) == []


def test_vtt_written_by_hand_and_read_back() -> None:
    assert vtt.dumps(VOICED) == VTT
    assert vtt.loads(VTT) == VOICED


@given(spoken())
def test_vtt_round_trip(words: list[Timed]) -> None:
    cues_of = [VoicedCue(one.text, one.start, one.end, voice="A & <B>") for one in words]
    assert vtt.loads(vtt.dumps(cues_of)) == cues_of
    assert vtt.loads(vtt.dumps(words)) == [VoicedCue(one.text, one.start, one.end) for one in words]


def test_vtt_of_other_hands() -> None:
    foreign = (
        "\ufeffWEBVTT - made elsewhere\r\nKind: captions\r\n\r\nNOTE\r\n1 --> 2\r\n\r\nSTYLE\r\n::cue {}\r\n\r\nintro\r\n"
        "00:01.500 --> 00:02.000 align:start line:0\r\n<v.loud Ann>one <b>two</b>\r\n\r\n00:03.000 --> 00:04.000\r\n"
    )
    assert vtt.loads(foreign) == [VoicedCue("one two", 1.5, 2.0, voice="Ann"), VoicedCue("", 3.0, 4.0)]
    with pytest.raises(InputError, match=r"a\.vtt is no WebVTT"):
        vtt.loads("1\n00:00:01,000 --> 00:00:02,000\n", "a.vtt")
    with pytest.raises(InputError, match=r"a\.vtt, line 3: 'x' begins no cue"):
        vtt.loads("WEBVTT\n\nx\ny\n", "a.vtt")


def test_paragraphs_end_at_pauses() -> None:
    words = (Timed("a", 0.0, 1.0), Timed("b", 2.5, 3.0), Timed("c", 5.0, 6.0))
    assert paragraphs(words, "Ann") == [Paragraph(words[:2], "Ann"), Paragraph(words[2:], "Ann")]
    assert paragraphs([]) == []


def test_docx_reads_back_and_marks_the_doubtful() -> None:
    read = pytest.importorskip("docx", reason="python-docx is an extra")
    parts = [
        Paragraph((Timed("sure", 3661.0, 3662.0, 0.9), Timed("what\x07", 3662.0, 3663.0, 0.4)), "Ann"),
        Paragraph((Timed("unknown", 3670.0, 3671.0),)),
    ]
    document = read.Document(io.BytesIO(docx.dumps("a talk", parts, doubtful=0.5)))
    assert [paragraph.text for paragraph in document.paragraphs] == [
        "a talk",
        "[01:01:01] Ann: sure what ",
        "[01:01:10] unknown",
    ]
    marked = [run.text for one in document.paragraphs for run in one.runs if run.font.highlight_color is not None]
    assert marked == ["what "]
    unmarked = read.Document(io.BytesIO(docx.dumps("a talk", parts)))
    assert all(run.font.highlight_color is None for one in unmarked.paragraphs for run in one.runs)


def test_docx_without_its_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'recog\[docx\]'"):
        docx.dumps("a", [])
