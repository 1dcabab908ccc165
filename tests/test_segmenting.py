"""The segmenter learns from pages whose lines are known, and is the same after it was written and read."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import draw_line
from PIL import Image

from pipelines import segmenting
from pipelines.segmenting import SegmentingConfig
from recog.errors import ConfigError, InputError, TrainingError
from recog.layout import invented, marked, segmenter, transcribed, varied
from recog.layout.network import BASELINE, PageMaps, SegmenterConfig, SegmenterNetwork
from recog.layout.segmenter import Segmenter
from recog.layout.targets import Targets
from recog.layout.varied import Sample, SourcePage, Variety

SMALL = SegmenterConfig((8, 8, 8, 8), 4)
CALM = Variety(size_px=128, drawn=0.5, empty=0.2)


def write_page(folder: Path) -> Path:
    """A manifest of one page with two drawn lines."""
    page = Image.new("L", (300, 200), 240)
    rows = []
    for top in (40, 110):
        page.paste(draw_line("a few words", size=24), (30, top))
        corners = [[30, top], [170, top], [170, top + 36], [30, top + 36]]
        rows.append({"baseline": [[30, top + 27], [170, top + 27]], "polygon": corners, "text": "a few words"})
    page.save(folder / "page.png")
    (folder / "pages.jsonl").write_text(json.dumps({"image": "page.png", "lines": rows}) + "\n", encoding="utf-8")
    return folder / "pages.jsonl"


def test_a_few_steps_of_training_lower_the_loss_and_the_file_holds_what_was_learned(tmp_path: Path) -> None:
    pages = marked.read(write_page(tmp_path))
    sources = segmenting.load(pages)
    random = np.random.default_rng(5)
    batch = [varied.sample(sources, CALM, random) for _ in range(4)]
    pictures = torch.stack([segmenter.features(one.picture) for one in batch])
    torch.manual_seed(1)
    with torch.no_grad():
        before = float(segmenting.loss(SegmenterNetwork(SMALL).train()(pictures), batch))
    config = SegmentingConfig(5.0, steps=25, batch=2, peak_rate=1e-2, warmup_steps=2, average=0.5, precision="fp32")
    trained = segmenting.train(pages, tmp_path / "new" / "s.safetensors", config, SMALL, CALM)
    with torch.no_grad():
        after = float(segmenting.loss(trained.network.train()(pictures), batch))
    assert after < 0.8 * before
    again = segmenter.load(tmp_path / "new" / "s.safetensors")
    first, second = (one.maps(batch[0].picture) for one in (Segmenter(trained.network.eval()), again))
    assert np.abs(first.baseline - second.baseline).max() < 0.05  # float16, and statistics moved by the pass above


def test_a_page_of_any_size_gives_maps_of_half_its_size() -> None:
    maps = Segmenter(SegmenterNetwork(SMALL)).maps(Image.new("L", (101, 67), 200))
    assert maps.baseline.shape == maps.ends.shape == maps.above.shape == (34, 51)
    assert maps.turns.sum() == pytest.approx(1, abs=1e-5)


def test_targets_follow_the_writing_when_a_page_is_turned_and_scaled() -> None:
    # A black bar on white is the "writing"; its baseline runs along the bar's middle.
    page = Image.new("L", (400, 300), 255)
    page.paste(0, (100, 145, 300, 155))
    line = marked.course(
        marked.MarkedLine(np.array([[100.0, 150], [300, 150]]), np.array([[100.0, 140], [300, 140], [200, 160]]))
    )
    calm = Variety(size_px=256, drawn=0, empty=0, quarters=0, parted=0)
    for seed in range(6):
        one = varied.sample([SourcePage(page, (line,), 1.0)], calm, np.random.default_rng(seed))
        on_line = np.kron(one.targets.baseline, np.ones((2, 2))) > 0
        values = np.asarray(one.picture, dtype=float)
        assert on_line.sum() > 100
        assert np.median(values[on_line]) < np.median(values[~on_line]) - 20


def test_pictures_without_writing_are_learned_as_such() -> None:
    random = np.random.default_rng(2)
    for _ in range(12):
        one = varied.sample([], Variety(size_px=96, empty=1.0), random)
        assert one.picture.size == (96, 96)
        assert not one.targets.baseline.any()
        assert one.quarters == -1


def test_drawn_pages_tell_where_their_lines_are() -> None:
    page = invented.drawn(400, np.random.default_rng(4))
    assert page.lines
    values = np.asarray(page.picture, dtype=float)
    paper = np.median(values)
    for line in page.lines:
        (left, y), right = line.points[0], line.points[-1][0]
        body = values[max(0, int(y - line.above[0])) : int(y), max(0, int(left)) : int(right)]
        assert not body.size or (body < paper - 30).any()


def test_pages_of_page_xml_are_read_with_their_lines(tmp_path: Path) -> None:
    Image.new("L", (200, 100), 255).save(tmp_path / "one.png")
    (tmp_path / "one.xml").write_text(
        '<PcGts><Page imageFilename="one.tif" imageWidth="400" imageHeight="200"><TextRegion id="r">'
        '<Coords points="0,0 400,0 400,200"/><TextLine id="l"><Coords points="20,20 380,20 380,60 20,60"/>'
        '<Baseline points="20,50 380,52"/><TextEquiv><Unicode>text</Unicode></TextEquiv></TextLine>'
        "</TextRegion></Page></PcGts>",
        encoding="utf-8",
    )
    (page,) = transcribed.read(tmp_path)
    assert page.picture == tmp_path / "one.png"
    assert page.lines[0].text == "text"
    assert page.lines[0].baseline.tolist() == [[10, 25], [190, 26]]  # the picture is half as large as the XML says
    assert page.lines[0].polygon.max(axis=0).tolist() == [190, 30]


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no PAGE or ALTO XML"):
        transcribed.read(tmp_path)
    with pytest.raises(TrainingError, match="no pages to learn from"):
        segmenting.load([])
    with pytest.raises(ConfigError, match="batch from 1"):
        SegmentingConfig(batch=0)
    with pytest.raises(ConfigError, match="four numbers"):
        SegmenterConfig((1, 2))


def test_the_network_sees_nothing_of_other_pages_in_its_batch() -> None:
    torch.manual_seed(3)
    network = SegmenterNetwork(SMALL).eval()
    pages = torch.rand(2, 2, 64, 96)
    with torch.inference_mode():
        together, alone = network(pages), network(pages[:1])
    assert torch.allclose(together.lines[:1], alone.lines, atol=1e-5)
    assert together.lines[:, BASELINE].shape == (2, 32, 48)


def test_a_baseline_that_runs_on_through_an_end_costs_more_than_one_in_bare_paper() -> None:
    empty = np.zeros((8, 8), np.float32)
    ends = empty.copy()
    ends[2, 2] = 1

    def cost(row: int) -> float:
        lines = torch.full((1, 4, 8, 8), -30.0)
        lines[0, BASELINE, row, row] = 3.0
        sample = Sample(Image.new("L", (16, 16)), Targets(empty, ends, empty, empty), -1)
        return float(segmenting.loss(PageMaps(lines, torch.zeros(1, 4)), [sample]))

    # What the ends themselves cost is the same in both; beside it log(1 + e^3) / 64 once, and (1 + BEYOND_ENDS) times.
    once = np.log1p(np.exp(3.0)) / 64
    assert cost(2) - cost(5) == pytest.approx(segmenting.BEYOND_ENDS * once, rel=1e-3)
