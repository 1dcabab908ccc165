"""Photographs the page for the documents: `python scripts/screenshots.py`, with playwright and Chromium installed."""

import argparse
import io
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
DESK, PHONE = {"width": 1180, "height": 800}, {"width": 390, "height": 844}
# What stands on the page when a picture or recording has been read, looked into, or measured.
DONE, SEEN, COUNTED = "Marked words are unsure.", "The likeliest symbol of every frame", "3 lines counted under"


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description="Photographs the page for the documents.")
    parser.add_argument("--speech", default="speech-en", metavar="BUNDLE", help="speech bundle (speech-en)")
    parser.add_argument(
        "--handwriting", default="handwriting-latin", metavar="BUNDLE", help="handwriting bundle (handwriting-latin)"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots", help="folder (docs/screenshots)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Takes the pictures."""
    arguments = parser().parse_args(argv)
    from playwright.sync_api import Browser, sync_playwright

    from pipelines.web import handwriting, speech
    from pipelines.web.once import Once
    from pipelines.web.page import Page

    page = Page(Once(lambda: speech.load(arguments.speech)), Once(lambda: handwriting.load(arguments.handwriting)))
    address = page.launch()

    def photograph(
        browser: Browser, name: str, tab: str, example: str, size: dict[str, int], scheme: str, done: str = DONE
    ) -> None:
        context = browser.new_context(viewport=size, color_scheme=scheme)
        window = context.new_page()
        window.goto(address)
        window.get_by_role("tab", name=tab).click()
        window.get_by_role("button", name=example).click()
        window.get_by_text(done).filter(visible=True).first.wait_for(timeout=120_000)
        window.wait_for_timeout(1500)  # pictures and waveform fade in
        save(window.screenshot(full_page=True), arguments.out / f"{name}.png")
        context.close()

    arguments.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--use-fake-device-for-media-stream"]
        )
        photograph(browser, "speech", "Speech", "Try an example", DESK, "light")
        photograph(browser, "handwriting", "Handwriting", "Try a French page", DESK, "light")
        photograph(browser, "look", "Look inside", "Look into a recording", DESK, "light", SEEN)
        photograph(browser, "look-dark", "Look inside", "Look into an English line", DESK, "dark", SEEN)
        photograph(browser, "measure", "Measure", "Try two texts", DESK, "light", COUNTED)
        photograph(browser, "phone-dark", "Handwriting", "Try a French line", PHONE, "dark")
    page.close()
    return 0


def save(photograph: bytes, path: Path) -> None:
    """Writes a PNG of 256 colours: a third of the size, and the eye sees no difference."""
    from PIL import Image

    Image.open(io.BytesIO(photograph)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
