"""The recogniser's network: convolutions, a deep bidirectional LSTM stack, log-probabilities for CTC.

Lines of descent: deep BLSTM with CTC (Graves, Mohamed & Hinton 2013), convolutional front end and residual sums
(Amodei 2016, Deep Speech 2), CTC at lower levels as a training aid (Lee & Watanabe 2021, intermediate CTC).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from math import prod
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from recog.errors import ConfigError
from recog.models.cells.highway import Highway
from recog.models.cells.layer import PLAIN, BidirectionalCell, coarser
from recog.models.cells.options import CellOptions, arguments
from recog.models.cells.picture import PictureStep, checked
from recog.models.layers import BidirectionalLSTM, Convolution, Dropout, LockedDropout, length_mask

# Settings that no weight depends on: a run may begin with others than the run before.
DROPOUTS = ("dropout", "dropout_locked", "dropout_convolution")


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of a network. Features and symbols are not settings: they follow from frontend and alphabet."""

    # Output channels of each convolution, from the input upwards.
    channels: tuple[int, ...] = (32, 32)
    # Stride of each convolution along the reading direction (time); their product is the total shortening.
    strides_time: tuple[int, ...] = (2, 2)
    # Stride of each convolution across the features (mel bands, pixel rows).
    strides_features: tuple[int, ...] = (2, 2)
    # Residual blocks of two more convolutions after each convolution; () for none.
    residuals: tuple[int, ...] = ()
    # Width of the linear map between convolutions and LSTM stack.
    projection: int = 256
    # Number of bidirectional LSTM layers.
    layers: int = 4
    # LSTM cells in each direction.
    hidden: int = 256
    # Kind of those cells, a name of recog.models.cells.family; "lstm" alone has kernels in the libraries, the rest take longer.
    cell: str = "lstm"
    # What else that cell may be told: blocks, truncated errors, a clock, heads (recog.models.cells.options).
    cell_options: CellOptions = PLAIN
    # Cells that walk over time and features above the convolutions: "multidimensional" or "convolutional" (2 dimensions,
    # recog.models.cells.picture), "" for none; slow, since no library has kernels for them.
    plane: str = ""
    # Their channels in each direction.
    plane_hidden: int = 8
    # Whether a layer joins its input by a highway gate, t y + (1 - t) x, instead of by a sum.
    highway: bool = False
    # Frames that each LSTM layer reads and writes as one step; a layer of rate 2 takes half the steps and time.
    rates: tuple[int, ...] = (1, 1, 1, 1)
    # Dropout before every LSTM layer and before the output, 0 to 1.
    dropout: float = 0.2
    # Whether that dropout takes a cell from a whole sequence at once (variational dropout) instead of from single steps.
    dropout_locked: bool = False
    # Dropout of whole feature maps in the convolutions, 0 to 1.
    dropout_convolution: float = 0.0
    # Layers (0: after the convolutions) that carry a CTC head of their own during training.
    auxiliary_layers: tuple[int, ...] = (0, 2)
    # Symbols of a second head, blank not counted: 39 for CMUdict's phones, learnt from rows that tell their
    # `phones`; 0: no such head.
    phones: int = 0
    # LSTM layers below that head, whose probabilities are then all that the layers above it read: phones below, letters
    # above (Fernandez, Graves & Schmidhuber 2007); 0: the head stands at the top, beside that of the letters.
    phones_below: int = 0

    def __post_init__(self) -> None:
        arguments(self.cell, self.cell_options)
        checked(self.plane)
        if not len(self.channels) == len(self.strides_time) == len(self.strides_features):
            raise ConfigError(
                f"network: {len(self.channels)} channels, {len(self.strides_time)} strides_time and "
                f"{len(self.strides_features)} strides_features; give each convolution one of each"
            )
        if self.residuals and (len(self.residuals) != len(self.channels) or min(self.residuals) < 0):
            raise ConfigError(
                f"network.residuals {self.residuals} with {len(self.channels)} convolutions; give each a number of blocks"
            )
        if len(self.rates) != self.layers:
            raise ConfigError(f"network: {self.layers} layers but {len(self.rates)} rates; give each layer one")
        if (
            min(
                (
                    *self.rates,
                    self.layers,
                    self.hidden,
                    self.projection,
                    self.plane_hidden,
                    *self.channels,
                    *self.strides_time,
                    *self.strides_features,
                )
            )
            < 1
        ):
            raise ConfigError("network: layers, hidden, projection, channels and strides must be at least 1")
        if self.phones < 0:
            raise ConfigError(f"network.phones is {self.phones}; expected a number of phones, or 0 for no head")
        if self.phones_below and not (self.phones and 0 < self.phones_below < self.layers):
            raise ConfigError(
                f"network.phones_below is {self.phones_below}; expected a head for phones with layers on both sides"
            )
        for name in ("dropout", "dropout_convolution"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"network.{name} is {getattr(self, name)}; expected 0 <= {name} < 1")
        if any(not 0 <= layer < self.layers for layer in self.auxiliary_layers):
            raise ConfigError(f"network.auxiliary_layers {self.auxiliary_layers} must lie in 0..{self.layers - 1}")


@dataclass(frozen=True)
class NetworkOutput:
    """What a network says of a batch, all natural logarithms."""

    # (B, T', S) float32 log-probabilities.
    log_probs: Tensor
    # (B,) true lengths in T'.
    lengths: Tensor
    # The same shape from each auxiliary head; empty unless asked for.
    auxiliary: tuple[Tensor, ...] = ()
    # (B, T', 1 + phones) log-probabilities of blank and phones; None without a head for them.
    phones: Tensor | None = None


class Network(nn.Module):
    """Convolutions -> linear -> LSTM layers, each a residual step of the frame-wise stream -> symbols."""

    def __init__(self, config: NetworkConfig, features: int, symbols: int) -> None:
        super().__init__()
        self.config, self.features, self.symbols = config, features, symbols
        self.convolutions = nn.ModuleList()
        channels, height = 1, features
        for width, stride_time, stride_features, residuals in zip(
            *(config.channels, config.strides_time, config.strides_features),
            config.residuals or [0] * len(config.channels),
            strict=True,
        ):
            self.convolutions.append(
                Convolution(channels, width, (stride_time, stride_features), config.dropout_convolution, residuals)
            )
            channels, height = width, -(-height // stride_features)
        self.plane = PictureStep(config.plane, channels, height, config.plane_hidden) if config.plane else None
        self.project = nn.Linear(channels * height, config.projection)
        self.project_norm = nn.LayerNorm(config.projection)
        self.recurrent = nn.ModuleList(
            RecurrentStep(
                *(config.projection, config.hidden, rate, dropout_of(config)),
                *(config.cell, config.highway, config.cell_options),
            )
            for rate in config.rates
        )
        if config.cell_options.clock >= features:
            raise ConfigError(
                f"network.cell_options.clock is feature {config.cell_options.clock}; the frontend has {features}, from 0"
            )
        self.dropout = dropout_of(config)
        self.output = nn.Linear(config.projection, symbols)
        self.phones = nn.Linear(config.projection, 1 + config.phones) if config.phones else None
        # What the layers above the phones read of them, where they read nothing else.
        self.rise = nn.Linear(1 + config.phones, config.projection) if config.phones_below else None
        self.auxiliary = nn.ModuleDict(
            {str(layer): nn.Linear(config.projection, symbols) for layer in config.auxiliary_layers}
        )

    def forward(self, x: Tensor, lengths: Tensor, auxiliary: bool = False) -> NetworkOutput:
        """x (B, T, F) float, lengths (B,) -> NetworkOutput; T' = ceil(T / stride) for each convolution in turn."""
        elapsed = self.elapsed(x, lengths)
        x, lengths = self.encode(x, lengths)
        heads = []
        phones: Tensor | None = None
        for number, step in enumerate(self.recurrent):
            if self.phones is not None and self.rise is not None and number == self.config.phones_below:
                phones = log_softmax(self.phones(self.dropout(x)))
                x = self.rise(phones.exp())
            if auxiliary and str(number) in self.auxiliary:
                heads.append(log_softmax(self.auxiliary[str(number)](self.dropout(x))))
            x = step(x, lengths, elapsed)
        x = self.dropout(x)
        if self.phones is not None and phones is None:
            phones = log_softmax(self.phones(x))
        return NetworkOutput(log_softmax(self.output(x)), lengths, tuple(heads), phones)

    def encode(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The convolutional part: (B, T, F) -> (B, T', projection) and the new lengths."""
        x = x[:, None].transpose(2, 3).contiguous(memory_format=torch.channels_last)
        for convolution in self.convolutions:
            x, lengths = convolution(x, lengths)
        x = x if self.plane is None else self.plane(x.transpose(2, 3), lengths).transpose(2, 3)
        x = x.permute(0, 3, 1, 2).flatten(2)  # (B, C, F', T') -> (B, T', C F')
        return torch.relu(self.project_norm(self.project(x))), lengths

    def elapsed(self, x: Tensor, lengths: Tensor) -> Tensor | None:
        """x (B, T, F) -> the times (B, T') between the steps that the layers take; None without a clock."""
        if self.config.cell_options.clock < 0:
            return None
        return coarser(x[:, :, self.config.cell_options.clock], lengths, prod(self.config.strides_time))

    def map_lengths(self, lengths: Tensor) -> Tensor:
        """Input lengths -> output lengths, without computing the rest."""
        for convolution in self.convolutions:
            lengths = cast(Convolution, convolution).map_lengths(lengths)
        return lengths

    def hold(self, layers: int | None) -> None:
        """Freezes the convolutions, the projection and the first `layers` LSTM layers (-1: all); None frees everything.

        What is frozen learns nothing and runs as in use: no dropout, no statistics of the batch. Call it after `train`.
        """
        self.requires_grad_(True)
        if layers is None:
            return
        steps = list(self.recurrent) if layers == -1 else list(self.recurrent)[:layers]
        below = [*self.convolutions, self.project, self.project_norm, *steps] + ([self.plane] if self.plane else [])
        if self.rise is not None and len(steps) > self.config.phones_below:  # what a frozen layer reads stays as it is
            below += [cast(nn.Module, self.phones), self.rise]
        for module in below:
            module.requires_grad_(False)
            module.eval()

    def with_symbols(self, sources: Sequence[int | None]) -> "Network":
        """A network whose symbol k is this one's symbol sources[k], in every head; None makes a new symbol.

        A new symbol begins as the mean of the old ones but blank: about as likely anywhere as the average letter.
        """
        network = Network(self.config, self.features, len(sources))
        state = self.state_dict()
        for name in (name for name in state if name.startswith(("output.", "auxiliary."))):
            rows = state[name]
            mean = rows[1:].mean(dim=0)
            state[name] = torch.stack([mean if source is None else rows[source] for source in sources])
        network.load_state_dict(state)
        return network.train(self.training)

    def with_features(self, features: int) -> "Network":
        """A network for another number of features of the same kind: taller line pictures, more mel bands.

        The convolutions do not know how tall their input is; the linear map above them is read as a picture of
        (channels, rows) and stretched to the new rows. What it then says is a beginning to train on, not a result.
        """
        network = Network(self.config, features, self.symbols)
        state = self.state_dict()
        width, channels = self.config.projection, self.config.channels[-1]
        old = state["project.weight"].reshape(width, channels, -1)
        rows = network.project.in_features // channels
        stretched = functional.interpolate(old, size=rows, mode="linear", align_corners=False)
        state["project.weight"] = (stretched * old.shape[-1] / rows).flatten(1)
        for name in ("plane.ahead.peepholes", "plane.back.peepholes"):
            if name in state:  # (3, H, rows, 1)
                state[name] = functional.interpolate(state[name][..., 0], size=rows, mode="linear")[..., None]
        network.load_state_dict(state)
        return network.train(self.training)

    def grown(self, config: NetworkConfig) -> "Network":
        """A network of a larger shape that says at first what this one says: more residual blocks behind the convolutions,
        more LSTM layers on top, a head for phones or auxiliary heads that know nothing yet (Net2Net, Chen 2016).

        Refuses a shape that differs in anything else but dropout, or is smaller.
        """
        old, depth = self.config, self.config.layers
        before = old.residuals or (0,) * len(old.channels)
        after = config.residuals or (0,) * len(config.channels)
        free = {name: getattr(config, name) for name in DROPOUTS}
        parts = {name: getattr(config, name) for name in ("residuals", "layers", "rates", "auxiliary_layers")}
        if (
            replace(old, **free, **parts, phones=config.phones) != config
            or any(few > many for few, many in zip(before, after, strict=True))
            or config.rates[:depth] != old.rates
            or not set(old.auxiliary_layers) <= set(config.auxiliary_layers)
            or old.phones not in (0, config.phones)
        ):
            told = ", ".join(
                f"{field.name} {getattr(old, field.name)} -> {getattr(config, field.name)}"
                for field in fields(old)
                if field.name not in DROPOUTS and getattr(old, field.name) != getattr(config, field.name)
            )
            raise ConfigError(
                f"the network cannot grow into the other ({told}): residuals, layers on top, auxiliary layers and phones "
                "may be added, and dropout may differ, but nothing else"
            )
        network = Network(config, self.features, self.symbols)
        for step in list(network.recurrent)[depth:]:
            cast(RecurrentStep, step).silence()
        network.load_state_dict(network.state_dict() | self.state_dict())
        return network.train(self.training)


def dropout_of(config: NetworkConfig) -> nn.Module:
    """The dropout between layers."""
    return LockedDropout(config.dropout) if config.dropout_locked else Dropout(config.dropout)


class RecurrentStep(nn.Module):
    """x + LayerNorm(BLSTM(dropout(x))) on a stream (B, T, D).

    With rate r > 1 the LSTM takes r neighbouring frames as one step and a linear map spreads its output over them
    again: the recurrence, which is what costs time, is r times shorter, while the stream keeps its resolution
    (after the subsampled layers of Graves 2012 and of Zipformer, Yao 2024). `cell` is any of the family in the LSTM's
    place, with its `options`; with `highway` the two are joined by a gate instead of a sum.
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        rate: int,
        dropout: nn.Module,
        cell: str = "lstm",
        highway: bool = False,
        options: CellOptions = PLAIN,
    ) -> None:
        super().__init__()
        self.rate = rate
        self.dropout = dropout
        standard = cell == "lstm"
        self.lstm = (
            BidirectionalLSTM(rate * width, hidden)
            if standard
            else BidirectionalCell(cell, rate * width, hidden, options)
        )
        self.spread = nn.Identity() if rate == 1 and 2 * hidden == width else nn.Linear(2 * hidden, rate * width)
        self.norm = nn.LayerNorm(width)
        self.join = Highway(width) if highway else None

    def silence(self) -> None:
        """Makes the step add nothing, until it learns to: the scale of what is added becomes 0."""
        if self.join is not None:
            raise ConfigError("network.highway: a layer with gates cannot be added to a network that reads already")
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor, lengths: Tensor, elapsed: Tensor | None = None) -> Tensor:
        """(B, T, D), (B,), for cells with a clock the times (B, T) since the step before -> (B, T, D)."""
        batch, steps, width = x.shape
        y = self.dropout(x)
        if self.rate > 1:
            elapsed = None if elapsed is None else coarser(elapsed, lengths, self.rate)
            # Past its length a sequence must read as zeros: that is what it would find alone.
            y = y * length_mask(lengths, steps)[:, :, None].to(y.dtype)
            y = functional.pad(y, (0, 0, 0, -steps % self.rate)).reshape(batch, -1, self.rate * width)
            lengths = torch.div(lengths + self.rate - 1, self.rate, rounding_mode="floor")
        read = self.lstm(y, lengths) if elapsed is None else self.lstm(y, lengths, elapsed)
        y = self.spread(read).reshape(batch, -1, width)[:, :steps]
        y = cast(Tensor, self.norm(y))
        return x + y if self.join is None else cast(Tensor, self.join(x, y))


def log_softmax(scores: Tensor) -> Tensor:
    """Natural-log probabilities in float32 whatever the working precision: bf16 would blur the rare symbols."""
    return torch.log_softmax(scores.float(), dim=-1)
