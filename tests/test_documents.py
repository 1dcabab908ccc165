"""Files of pages from end to end: what is read again and what is not, which pages failed, where the transcripts go."""

import functools
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import draw_line
from PIL import Image

from pipelines import transcription
from pipelines.cli import main
from pipelines.document import read_document
from pipelines.journal import Journal
from pipelines.rendering import Rendering
from pipelines.transcript import DocumentPage, DocumentTranscript, PageTranscript, WrittenLine, WrittenWord
from pipelines.transcription import Job, Outcome, journal_of, plan, transcribe, transcribe_to
from recog import scan
from recog.errors import ConfigError, InputError
from recog.scan import Limits


class Reader:
    """Reads the width of a page; counts what it was shown, and stops a run at will."""

    def __init__(self, stop_at: int = -1) -> None:
        self.seen = list[int]()
        self.stop_at = stop_at

    def __call__(self, picture: Image.Image) -> PageTranscript:
        if len(self.seen) == self.stop_at:
            raise KeyboardInterrupt
        self.seen.append(picture.width)
        return said(str(picture.width), *picture.size)


def said(text: str, width: int, height: int) -> PageTranscript:
    word = WrittenWord(text, (1, 2, 9, 8), 0.5)
    return PageTranscript(
        text, (WrittenLine(text, (1, 2, 9, 8), (word,), ((1, 7), (9, 7)), ((1, 2), (9, 2), (9, 8))),), width, height
    )


def tiff(path: Path, widths: Sequence[int]) -> Path:
    pages = [Image.new("L", (width, 30), 255) for width in widths]
    pages[0].save(path, "tiff", save_all=True, append_images=pages[1:])
    return path


def read(reader: Reader, *arguments: Any, **named: Any) -> PageTranscript | DocumentTranscript:
    return read_document(reader, *arguments, **named)  # type: ignore[arg-type]


def test_a_picture_is_a_page_and_several_are_a_document(tmp_path: Path) -> None:
    Image.new("L", (40, 30), 255).save(tmp_path / "one.png")
    assert read(Reader(), tmp_path / "one.png") == said("40", 40, 30)
    found = read(Reader(), tiff(tmp_path / "two.tif", [40, 50]).read_bytes())
    assert found == DocumentTranscript((DocumentPage(1, said("40", 40, 30)), DocumentPage(2, said("50", 50, 30))))
    assert (found.text, [word.text for word in found.words]) == ("40\n\f50", ["40", "50"])


def test_a_page_that_cannot_be_read_is_told_with_its_number(tmp_path: Path) -> None:
    path = tiff(tmp_path / "three.tif", [40, 500, 60])
    found = read(Reader(), path, Limits(megapixels=0.01))
    assert isinstance(found, DocumentTranscript)
    assert [page.transcript is None for page in found.pages] == [False, True, False]
    warning = found.warning("three.tif")
    assert warning.startswith("three.tif: 1 of 3 pages failed (2): page 2 of ")
    assert "has 500 x 30 pixels; make it smaller than 0.01 megapixels, the limit" in warning


def test_pages_without_writing_are_told() -> None:
    empty = DocumentTranscript((DocumentPage(1, PageTranscript("", (), 4, 4)),) * 2)
    assert empty.warning("a.pdf") == "no writing was found in a.pdf (2 pages)"


def journalled(path: Path, reader: Reader, how: str = "x") -> PageTranscript | DocumentTranscript:
    journal = Journal(path.with_name("pages.jsonl"), path, how)
    return read(reader, path, finished=journal.read(), tell=lambda page, _: journal.add(page))


def test_a_stopped_run_goes_on_at_its_page(tmp_path: Path) -> None:
    path = tiff(tmp_path / "four.tif", [40, 50, 60, 70])
    with pytest.raises(KeyboardInterrupt):
        journalled(path, Reader(stop_at=2))
    with pytest.raises(KeyboardInterrupt):
        journalled(path, Reader(stop_at=1))
    second = Reader()
    assert journalled(path, second) == read(Reader(), path)
    assert second.seen == [70]


def test_a_run_goes_on_with_the_same_bundle_alone(
    random_handwriting_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiff(tmp_path / "four.tif", [40, 50, 60, 70])
    bundle = tmp_path / "bundle"
    shutil.copytree(random_handwriting_bundle, bundle)
    readers = [Reader(stop_at=2), Reader(), Reader()]
    waiting = iter(readers)
    monkeypatch.setattr(transcription, "load", lambda *_: next(waiting))
    told = list[tuple[float, float | None]]()

    def run() -> list[Outcome]:
        tell = lambda _: lambda done, total: told.append((done, total))  # noqa: E731
        return list(transcribe([path], bundle, progress=tell, journals={path: tmp_path / "kept.jsonl"}))

    with pytest.raises(KeyboardInterrupt):
        run()
    (outcome,) = run()
    assert (outcome.failure, readers[1].seen) == ("", [60, 70])
    assert outcome.transcript == read(Reader(), path)
    assert told == [(k, 4) for k in (1, 2, 1, 2, 3, 4)]
    os.utime(bundle / "network.safetensors", ns=(1, 2**62))
    run()
    assert readers[2].seen == [40, 50, 60, 70]


@pytest.mark.parametrize("change", ["how", "file", "half a line", "rubbish"])
def test_what_no_longer_fits_is_read_again(tmp_path: Path, change: str) -> None:
    path = tiff(tmp_path / "three.tif", [40, 50, 60])
    journalled(path, Reader())
    kept = tmp_path / "pages.jsonl"
    if change == "file":
        tiff(path, [40, 50, 61])
    elif change == "half a line":
        kept.write_bytes(kept.read_bytes()[:-20])
    elif change == "rubbish":
        kept.write_bytes(b"\xff\0 no\n")
    again = Reader()
    assert journalled(path, again, "y" if change == "how" else "x").text == read(Reader(), path).text
    assert len(again.seen) == (1 if change == "half a line" else 3)


def test_names_of_outputs_of_pages(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.jpg", "b.png", "b.tif", "notes.md", "c.PDF"):
        (folder / name).write_bytes(b"")
    tiff(folder / "d.tif", [40, 50])
    out = tmp_path / "out"

    def names(form: str) -> list[str]:
        return [job.target.relative_to(out).as_posix() for job in plan([folder], out, Rendering(form))]

    assert names("txt") == ["a.txt", "b.png.txt", "b.tif.txt", "c.txt", "d.txt"]
    assert names("page") == ["a.page.xml", "b.png.page.xml", "b.tif.page.xml", "c.page.xml", "d"]
    assert names("gt") == ["a", "b.png.pages", "b.tif.pages", "c", "d"]
    (tmp_path / "more").mkdir()
    with pytest.raises(ConfigError, match=r"would take the place of the input .*e\.pdf"):
        plan([tmp_path / "more" / "e.pdf"], tmp_path / "more", Rendering("pdf"))
    (folder / "talk.wav").write_bytes(b"")
    assert names("txt") == ["talk.txt"], "recordings first, where the format is for both"
    assert len(names("hocr")) == 5
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty holds no files of a kind that is read here, such as \.bmp"):
        plan([tmp_path / "empty"], out, Rendering("alto"))


def test_folders_are_written_whole_and_skipped_when_done(tmp_path: Path) -> None:
    path = tiff(tmp_path / "d.tif", [40, 50])
    jobs = [Job(path, tmp_path / "out" / "d", resumable=True)]
    journal_of(jobs[0].target).parent.mkdir()
    journal_of(jobs[0].target).write_text("kept by a run that was stopped")

    def run(paths: Sequence[Path]) -> Iterator[Outcome]:
        for one in paths:
            yield Outcome(one, read(Reader(), one))

    (outcome,) = transcribe_to(jobs, Rendering("page"), False, run)
    assert outcome.target == jobs[0].target
    assert sorted(one.name for one in jobs[0].target.iterdir()) == ["0001.jpg", "0001.xml", "0002.jpg", "0002.xml"]
    assert not journal_of(jobs[0].target).exists()
    (again,) = transcribe_to(jobs, Rendering("page"), False, run)
    assert again.skipped


def test_a_run_over_a_folder_names_the_pages_that_failed(
    trained_handwriting_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = ("loop", "a pal", "Dodo")
    drawn = [draw_line(text) for text in texts]
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    drawn[0].save(folder / "book.tif", save_all=True, append_images=drawn[1:])
    drawn[0].save(folder / "part.tif", save_all=True, append_images=[Image.new("L", (300, 200), 255)])
    (folder / "bad.pdf").write_bytes(b"%PDF-1.4\n")
    monkeypatch.setattr(scan, "Limits", functools.partial(Limits, megapixels=0.05))
    call = ["transcribe", "--bundle", str(trained_handwriting_bundle), str(folder), "--out", str(out), "--greedy"]
    assert main([*call, "--format", "json"]) == 1
    told = capsys.readouterr().err
    assert "bad.pdf is a PDF that is damaged or holds no pages" in told
    assert "part.tif: 1 of 2 pages failed (2): page 2 of " in told and "2 of 3 files failed" in told
    found = json.loads((out / "book.json").read_text("utf-8"))
    assert [page["text"] for page in found["pages"]] == list(texts)
    assert json.loads((out / "part.json").read_text("utf-8"))["pages"][0]["text"] == "loop"
    assert not list(out.glob("*.jsonl"))


@pytest.mark.parametrize(
    ("form", "sentence"),
    [("pdf", "format pdf is no text for the screen"), ("page", "format page makes a folder of the pages of")],
)
def test_what_no_screen_shows_needs_a_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, sentence: str
) -> None:
    assert main(["transcribe", str(tiff(tmp_path / "two.tif", [40, 50])), "--format", form]) == 1
    assert sentence in capsys.readouterr().err
