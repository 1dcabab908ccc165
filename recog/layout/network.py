"""The network that looks at a page: where lines of writing stand, how high they are, and which way the page is up.

A small U-Net (Ronneberger, Fischer & Brox 2015) of residual blocks whose middle is read by LSTMs along rows and columns
(ReNet, Visin 2015), so that a stroke is seen with the rest of its line; baselines and the bars at their ends after
ARU-Net (Gruening, Leifert, Strauss, Michael & Labahn 2019).
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from recog.errors import ConfigError

# Height and width of what goes in must be multiples of this.
STRIDE = 32
# A pixel of the maps stands for so many pixels of the page, across and down.
MAP_STEP = 2
# Maps of the output: logits of baseline and of line ends, then how far the writing reaches above and below its baseline.
BASELINE, ENDS, ABOVE, BELOW = range(4)


@dataclass(frozen=True)
class SegmenterConfig:
    """Shape of the network."""

    # Channels at a quarter, an eighth, a sixteenth and a thirty-second of the page's resolution.
    channels: tuple[int, ...] = (24, 48, 64, 96)
    # Cells of the LSTMs in each direction.
    hidden: int = 48

    def __post_init__(self) -> None:
        if len(self.channels) != 4 or min(self.channels) < 1 or self.hidden < 1:
            raise ConfigError("segmenter: channels must be four numbers from 1, and hidden at least 1")


@dataclass(frozen=True)
class PageMaps:
    """What the network says of B pages of (H, W) pixels."""

    # (B, 4, H / MAP_STEP, W / MAP_STEP): BASELINE, ENDS as logits, ABOVE, BELOW as natural logs of pixels.
    lines: Tensor
    # (B, 4): logits; number k: the page stands upright once it is turned by k quarters anticlockwise.
    turns: Tensor


class Block(nn.Module):
    """Two 3x3 convolutions with batch normalisation and a way round them; (B, C, H, W) -> (B, C', H / s, W / s)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.second = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.normalise_first = nn.BatchNorm2d(channels_out)
        self.normalise_second = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / s, W / s)."""
        first = torch.relu(self.normalise_first(self.first(x)))
        return torch.relu(self.normalise_second(self.second(first)) + first)


class Crossing(nn.Module):
    """LSTMs along every row, then along every column of (B, C, H, W), added to what came."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.rows = nn.LSTM(channels, hidden, batch_first=True, bidirectional=True)
        self.columns = nn.LSTM(2 * hidden, hidden, batch_first=True, bidirectional=True)
        self.mix = nn.Linear(2 * hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        batch, channels, height, width = x.shape
        along = self.rows(x.permute(0, 2, 3, 1).reshape(batch * height, width, channels))[0]
        along = along.reshape(batch, height, width, -1).transpose(1, 2).reshape(batch * width, height, -1)
        down = self.mix(self.columns(along)[0]).reshape(batch, width, height, channels)
        crossed: Tensor = x + down.permute(0, 3, 2, 1)
        return crossed


class SegmenterNetwork(nn.Module):
    """(B, 2, H, W) pages -> PageMaps; H and W multiples of STRIDE. What goes in: recog.layout.segmenter.features."""

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        quarter, eighth, sixteenth, last = config.channels
        self.stem = nn.Sequential(
            nn.Conv2d(2, quarter // 2, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(quarter // 2), nn.ReLU()
        )
        self.down = nn.ModuleList(
            [
                Block(quarter // 2, quarter, 2),
                Block(quarter, eighth, 2),
                Block(eighth, sixteenth, 2),
                Block(sixteenth, last, 2),
            ]
        )
        self.cross = Crossing(sixteenth, config.hidden)
        self.up = nn.ModuleList(
            [Block(last + sixteenth, sixteenth), Block(sixteenth + eighth, eighth), Block(eighth + quarter, quarter)]
        )
        self.maps = nn.Conv2d(quarter, 4 * (4 // MAP_STEP) ** 2, 1)
        nn.init.constant_(cast(Tensor, self.maps.bias), -2.0)  # most of a page is no baseline
        self.turn = nn.Linear(2 * last, 4)

    def forward(self, pages: Tensor) -> PageMaps:
        """(B, 2, H, W) float32 -> maps and turns."""
        quarter = self.down[0](self.stem(pages))
        eighth = self.down[1](quarter)
        sixteenth = self.cross(self.down[2](eighth))
        last = self.down[3](sixteenth)
        turns = self.turn(torch.cat([last.mean(dim=(2, 3)), last.amax(dim=(2, 3))], dim=1))
        x = last
        for block, skip in zip(self.up, (sixteenth, eighth, quarter), strict=True):
            x = block(torch.cat([functional.interpolate(x, scale_factor=2.0, mode="nearest"), skip], dim=1))
        return PageMaps(functional.pixel_shuffle(self.maps(x), 4 // MAP_STEP), turns)
