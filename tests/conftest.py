"""Samples built from nothing: tones that spell letters, drawn lines, and tiny bundles. Import the functions where needed.

from conftest import tone_wave, draw_line
"""

import contextlib
import gc
import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image, ImageDraw, ImageFont

from recog import checkpoint, manifest
from recog import text as text_rules
from recog.alphabet import Alphabet
from recog.audio import SpeechFrontend, Waveform
from recog.checkpoint import Bundle
from recog.data import DataConfig, Samples
from recog.frontend import Frontend, media
from recog.image import HandwritingFrontend
from recog.manifest import Row
from recog.models.network import Network, NetworkConfig
from recog.trainer import FitConfig, Fitted, fit

torch.set_num_threads(1)

# The letters that `spell_wave` can say, and the tone of each in hertz.
LETTER_TONES_HZ: Mapping[str, float] = {"a": 350.0, "b": 700.0, "c": 1300.0, "d": 2400.0}
TINY_SPEECH = SpeechFrontend(rate_hz=8000, mel_bands=16, high_hz=3800.0)
TINY_HANDWRITING = HandwritingFrontend(height_px=24)
# Learns eight samples by heart in seconds.
TINY_NETWORK = NetworkConfig(
    channels=(8, 16),
    strides_time=(2, 1),
    strides_features=(2, 2),
    projection=48,
    layers=1,
    hidden=32,
    rates=(1,),
    dropout=0.0,
    auxiliary_layers=(0,),
)
SPOKEN_TEXTS = ("abcd", "dab c", "bad c", "cabb", "ac dc", "dcba", "add b", "cab d")
WRITTEN_TEXTS = ("Ada 1", "loop", "a pal", "Dodo", "add 1", "all", "pop-up", "A dad")


def tone_wave(
    hz: float = 440.0, seconds: float = 1.0, rate_hz: int = 16000, amplitude: float = 0.5, channels: int = 1
) -> Waveform:
    """A sine (n,) float32, or (n, channels) with the same sine in every channel."""
    steps = np.arange(round(seconds * rate_hz))
    wave = (amplitude * np.sin(2 * np.pi * hz / rate_hz * steps)).astype(np.float32)
    return wave if channels == 1 else np.repeat(wave[:, None], channels, axis=1)


def spell_wave(text: str, rate_hz: int = 8000) -> Waveform:
    """A text over a, b, c, d and space as 80 ms tones with 40 ms between; a space is a longer pause."""
    gap = np.zeros(round(0.04 * rate_hz), np.float32)
    pieces = [gap]
    for letter in text:
        tone = tone_wave(LETTER_TONES_HZ.get(letter, 0.0), 0.08, rate_hz)
        pieces += [tone * np.hanning(len(tone)).astype(np.float32), gap]
    return np.concatenate(pieces)


def draw_line(text: str, size: int = 18, ink: int = 20, paper: int = 240, margin: int = 4) -> Image.Image:
    """A grey picture of one line in Pillow's own font, `size` pixels a letter, a margin around."""
    font = ImageFont.load_default(size)
    left, _, right, _ = font.getbbox(text or " ")
    # Lines have one height whatever their letters are, as if cut from ruled paper.
    ascent, descent = font.getmetrics()  # type: ignore[union-attr]
    picture = Image.new("L", (round(right - left) + 2 * margin, ascent + descent + 2 * margin), paper)
    ImageDraw.Draw(picture).text((margin - left, margin), text, fill=ink, font=font)
    return picture


def dominant_hz(waveform: Waveform, rate_hz: int) -> float:
    """The frequency with the most power, by one Fourier transform of the whole."""
    power = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))) ** 2
    return float(np.argmax(power) * rate_hz / len(waveform))


def write_rows(folder: Path, frontend: Frontend, texts: Sequence[str], name: str = "rows.jsonl", **extra: Any) -> Path:
    """Each text as a sample file in `folder`, and the manifest of them all; `extra` goes into every row."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, text in enumerate(texts):
        row: dict[str, Any] = {"text": text, "source": "built", **extra}
        if isinstance(frontend, SpeechFrontend):
            wave = spell_wave(text, frontend.rate_hz)
            row |= {"audio": f"{number}.wav", "duration": len(wave) / frontend.rate_hz}
            soundfile.write(folder / row["audio"], wave, frontend.rate_hz)
        else:
            row["image"] = f"{number}.png"
            draw_line(text).save(folder / row["image"])
        lines.append(json.dumps(row))
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


def random_bundle(frontend: Frontend, symbols: str, text_rule: str, seed: int = 0) -> Bundle:
    """A bundle with untrained weights: fit for everything but reading."""
    torch.manual_seed(seed)
    network = Network(TINY_NETWORK, frontend.features, len(symbols) + 1).eval()
    return Bundle(f"random-{media(frontend)}", network, frontend, Alphabet(tuple(symbols)), text_rule, {"seed": seed})


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What gradio is given lies in a folder of its own; its sockets are left to the garbage collector, which is called here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        yield
    let_go()


def let_go() -> None:
    """Collects the event loops and sockets that gradio and uvicorn leave, whose warnings must not fail other tests.

    What is still there then is never looked at again: looking at all that PyTorch and gradio have made takes a second.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def random_speech_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an untrained speech bundle."""
    folder = tmp_path_factory.mktemp("random") / "speech"
    checkpoint.save(random_bundle(TINY_SPEECH, " abcd", "spoken"), folder)
    return folder


@pytest.fixture(scope="session")
def random_handwriting_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an untrained handwriting bundle."""
    folder = tmp_path_factory.mktemp("random") / "handwriting"
    checkpoint.save(random_bundle(TINY_HANDWRITING, "".join(sorted(set("".join(WRITTEN_TEXTS)))), "strict"), folder)
    return folder


def overfit(folder: Path, frontend: Frontend, texts: Sequence[str], text_rule: str) -> tuple[Fitted, list[Row]]:
    """Trains a tiny network on the texts until it knows them by heart; everything lies in `folder`."""
    rows = manifest.read(write_rows(folder / "samples", frontend, texts))
    alphabet = Alphabet.from_texts(text_rules.rule(text_rule)(row.text) for row in rows)
    torch.manual_seed(1)
    network = Network(TINY_NETWORK, frontend.features, len(alphabet))
    bundle = Bundle("tiny", network, frontend, alphabet, text_rule)
    samples = Samples(rows, alphabet, frontend, text_rule)
    config = FitConfig(
        epochs=2, peak_rate=1e-2, warmup_steps=20, flat=0.4, average=0.9, precision="fp32", log_every=200
    )
    # Every row stands 240 times in an epoch: the best is the end of the run and not a moment that reads by luck, and
    # little time goes into evaluating.
    batching = DataConfig(batch_frames=800, weights={"built": 240.0}, short_first=False)
    return fit(bundle, samples, rows, config, batching, folder), rows


@pytest.fixture(scope="session")
def overfit_speech(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fitted, list[Row]]:
    """A training that has learnt SPOKEN_TEXTS by heart, and its rows."""
    return overfit(tmp_path_factory.mktemp("overfit_speech"), TINY_SPEECH, SPOKEN_TEXTS, "spoken")


@pytest.fixture(scope="session")
def overfit_handwriting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fitted, list[Row]]:
    """A training that has learnt WRITTEN_TEXTS by heart, and its rows."""
    return overfit(tmp_path_factory.mktemp("overfit_handwriting"), TINY_HANDWRITING, WRITTEN_TEXTS, "strict")


@contextlib.contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Among the processes that test side by side."""
    end = time.monotonic() + 600
    while True:
        try:
            lock.mkdir()
            break
        except FileExistsError:
            assert time.monotonic() < end, f"the process that made {lock} has died"
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.rmdir()


def trained(kind: str, request: pytest.FixtureRequest, factory: pytest.TempPathFactory) -> Path:
    """Folder of the bundle of `overfit_KIND`; of processes that test side by side the first one trains for all."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = base / f"trained-{kind}" / kind
    with one_at_a_time(base / f"training-{kind}"):
        if not folder.is_dir():
            checkpoint.save(request.getfixturevalue(f"overfit_{kind}")[0].bundle, folder)
    return folder


@pytest.fixture(scope="session")
def trained_speech_bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a speech bundle that reads `spell_wave` of SPOKEN_TEXTS without an error."""
    return trained("speech", request, tmp_path_factory)


@pytest.fixture(scope="session")
def trained_handwriting_bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a handwriting bundle that reads `draw_line` of WRITTEN_TEXTS without an error."""
    return trained("handwriting", request, tmp_path_factory)


# Of browser tests; what they need is imported by those who ask for them.


@pytest.fixture(scope="module")
def address(
    trained_speech_bundle: Path, trained_handwriting_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Where the page is served, with bundles that know their texts by heart; uploads of at most 1 MB."""
    import browsing

    yield from browsing.served(trained_speech_bundle, trained_handwriting_bundle, tmp_path_factory.mktemp("uploads"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser."""
    import browsing

    yield from browsing.launched()


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Any]:
    """The page, opened anew."""
    import browsing

    yield from browsing.opened(browser, address)
