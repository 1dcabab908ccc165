"""Photographs every tab, light, dark and on a phone: `python scripts/screenshots.py`, with playwright and Chromium installed."""

import argparse
import io
import itertools
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.fine_tuning import Runs

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
DESK, PHONE = {"width": 1180, "height": 800}, {"width": 390, "height": 844}
# Name of the file -> size of the window, and scheme.
WAYS = {"": (DESK, "light"), "-dark": (DESK, "dark"), "-phone": (PHONE, "light")}
# Taller pages are cut off here.
MOST_PX = 2400
# What the run on show learns, and how often.
LINES, PASSES = 25, 6


@dataclass(frozen=True)
class Tab:
    """A tab, the button that shows an example in it ("": none), and what stands there when it is done."""

    name: str
    title: str
    example: str
    done: str


TABS = (
    Tab("speech", "Speech", "Try an example", "words are unsure"),
    Tab("handwriting", "Handwriting", "Try a French page", "words are unsure"),
    Tab("look", "Look inside", "Look into a recording", "The likeliest symbol of every frame"),
    Tab("measure", "Measure", "Try two texts", "3 lines counted under"),
    Tab("train", "Train", "", "samples to learn from"),
)


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description="Photographs every tab of the page for the documents.")
    parser.add_argument("--speech", default="speech-en", metavar="BUNDLE", help="speech bundle (speech-en)")
    parser.add_argument(
        "--handwriting", default="handwriting-latin", metavar="BUNDLE", help="handwriting bundle (handwriting-latin)"
    )
    parser.add_argument("--only", nargs="+", choices=[tab.name for tab in TABS], help="these tabs alone (all)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots", help="folder (docs/screenshots)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Takes the pictures."""
    arguments = parser().parse_args(argv)
    from playwright.sync_api import sync_playwright

    from pipelines.fine_tuning import Runs
    from pipelines.web import handwriting, speech
    from pipelines.web.once import Once
    from pipelines.web.page import Page
    from pipelines.web.train import Training

    tabs = [tab for tab in TABS if not arguments.only or tab.name in arguments.only]
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(Path(folder) / "runs")
        if any(tab.name == "train" for tab in tabs):
            begin(runs, Path(folder) / "lines", arguments.handwriting)
        page = Page(
            Once(lambda: speech.load(arguments.speech)),
            Once(lambda: handwriting.load(arguments.handwriting)),
            training=Training(runs, folders=True),
        )
        address = page.launch()
        with sync_playwright() as running:
            browser = running.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--use-fake-device-for-media-stream"]
            )
            for tab, (way, (size, scheme)) in itertools.product(tabs, WAYS.items()):
                context = browser.new_context(viewport=size, color_scheme=scheme)
                window = context.new_page()
                window.set_default_timeout(180_000)
                window.goto(address)
                window.get_by_role("heading", name="recog", level=1).wait_for()
                window.get_by_role("tab", name=tab.title).click()
                if tab.example:
                    window.get_by_role("button", name=tab.example).click()
                done = window.get_by_text(re.compile(re.escape(tab.done))).filter(visible=True)
                done.first.wait_for()
                window.wait_for_timeout(1500)  # pictures and waveform fade in
                save(window.screenshot(full_page=True), arguments.out / f"{tab.name}{way}.webp")
                context.close()
        page.close()
        runs.close()
    return 0


def begin(runs: "Runs", folder: Path, bundle: str) -> None:
    """A real run on a few generated lines, which is waited for."""
    import time

    from pipelines.fine_tuning import TRAINING
    from recog.corpora import toy

    folder.mkdir()
    for number, drawn in enumerate(itertools.islice(toy.handwriting(), LINES)):
        (folder / f"{number:02d}.png").write_bytes(drawn.content)
        (folder / f"{number:02d}.gt.txt").write_text(drawn.row["text"], encoding="utf-8")
    run = runs.begin("drawn-letters", bundle, folder, PASSES)
    while run.state == TRAINING:
        time.sleep(1)
    if not run.usable:
        raise SystemExit(f"the run on show has failed: {run.last_words()}")


def save(photograph: bytes, path: Path) -> None:
    """Writes a WebP, cut off where it is very tall."""
    from PIL import Image

    picture = Image.open(io.BytesIO(photograph)).convert("RGB")
    picture.crop((0, 0, picture.width, min(picture.height, MOST_PX))).save(path, quality=70, method=6)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
