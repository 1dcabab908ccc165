"""The trained segmenter: one file, `segmenter.safetensors`, its settings in the file's header; a page -> maps."""

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from recog.checkpoint import SHELF
from recog.config import build
from recog.errors import CheckpointError, RecogError
from recog.layout.network import ABOVE, BASELINE, BELOW, ENDS, MAP_STEP, STRIDE, SegmenterConfig, SegmenterNetwork

Array = NDArray[np.float32]

FILE = "segmenter.safetensors"
# Its folder among the bundles that come with recog.
FOLDER = "layout-pages"


@dataclass(frozen=True)
class Maps:
    """What the segmenter says of one page; each map is (H / MAP_STEP, W / MAP_STEP) float32."""

    # 0 to 1: how likely a baseline runs here, and how likely one begins or ends here.
    baseline: Array
    ends: Array
    # Pixels of the page, at a baseline: how far its writing reaches up and down.
    above: Array
    below: Array
    # (4,) sums to 1: how likely the page stands upright after so many quarters anticlockwise.
    turns: Array


class Segmenter:
    """The network, ready to look at pages."""

    def __init__(self, network: SegmenterNetwork) -> None:
        self.network = network.eval()

    @torch.inference_mode()
    def maps(self, page: Image.Image) -> Maps:
        """A grey page at the size at which it is to be looked at -> its maps."""
        height, width = -page.height % STRIDE, -page.width % STRIDE
        padded = torch.nn.functional.pad(features(page), (0, width, 0, height))
        found = self.network(padded[None])
        rows, columns = -(-page.height // MAP_STEP), -(-page.width // MAP_STEP)
        lines = found.lines[0, :, :rows, :columns].float()
        turns = found.turns[0].float().softmax(dim=0).numpy()
        baseline, ends = lines[[BASELINE, ENDS]].sigmoid().numpy()
        above, below = lines[[ABOVE, BELOW]].clamp(-2, 7).exp().numpy()
        return Maps(baseline, ends, above, below, turns)


def features(page: Image.Image) -> Tensor:
    """A grey page -> (2, H, W) float32: how much darker each pixel is than the paper around it, and how dark that is."""
    grey = np.asarray(page, dtype=np.float32)
    paper = np.maximum(paper_brightness(page), 1)
    return torch.from_numpy(np.stack([np.clip(1 - grey / paper, 0, 1) * 2, 1 - paper / 255]).astype(np.float32))


def paper_brightness(page: Image.Image) -> Array:
    """(H, W) grey values of the paper, writing left out: local maxima, smoothed, of an eighth of the resolution."""
    tiny = page.resize((max(1, page.width // 8), max(1, page.height // 8)), Image.Resampling.BOX)
    paper = tiny.filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.GaussianBlur(4))
    return np.asarray(paper.resize(page.size, Image.Resampling.BILINEAR), dtype=np.float32)


def save(segmenter: Segmenter, path: Path) -> None:
    """Writes the one file, weights in float16, whole or not at all. Refuses weights that float16 cannot hold."""
    half = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).detach().contiguous()
        for name, tensor in segmenter.network.state_dict().items()
    }
    if not all(torch.isfinite(tensor).all() for tensor in half.values()):
        raise CheckpointError(f"{path}: some weights are not finite in float16; the training has diverged")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    save_file(half, partial, metadata={"segmenter": json.dumps(asdict(segmenter.network.config))})
    partial.chmod(0o644)  # safetensors leaves it to the owner alone
    partial.replace(path)


def load(path: Path) -> Segmenter:
    """Reads it, weights in float32; refuses a missing or damaged file in one sentence."""
    try:
        with safe_open(path, "pt") as file:
            config = build(SegmenterConfig, json.loads((file.metadata() or {})["segmenter"]), "segmenter")
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network = SegmenterNetwork(config)
        network.load_state_dict({name: w.float() if w.is_floating_point() else w for name, w in weights.items()})
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, SafetensorError, RecogError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"the page segmenter {path} is missing or damaged ({reason}); fetch or train it again"
        ) from error
    return Segmenter(network)


@functools.cache
def shipped() -> Segmenter:
    """The segmenter that comes with recog, read once. Refuses in one sentence where its file is missing."""
    return load(SHELF / FOLDER / FILE)
