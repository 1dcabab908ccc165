"""The settings of the training loop, each with its reason; what goes beyond the plain recipe is off by default."""

from dataclasses import dataclass

from recog.errors import ConfigError

SCHEDULES = ("flat-cosine", "cosine", "one-cycle", "plateau")
PRECISIONS = ("auto", "bf16", "fp32")


@dataclass(frozen=True)
class FitConfig:
    """How long, how fast and with which helps to train."""

    # Passes over the training rows.
    epochs: int = 20
    # If above 0: the schedule also ends after this many minutes, whichever comes first. Ties the result to the machine.
    minutes: float = 0.0
    # Highest learning rate; every schedule reaches it and comes down from it (recog.training.schedule).
    peak_rate: float = 2e-3
    # Updates over which the rate rises to the peak, so that Adam's moments settle first; "one-cycle" has its own rise.
    warmup_steps: int = 500
    # "flat-cosine", "cosine", "one-cycle" (short runs: high rates regularise) or "plateau" (when nobody knows how long).
    schedule: str = "flat-cosine"
    # "flat-cosine": share of the run at the peak before the cosine. "one-cycle": share of the run in which the rate rises.
    flat: float = 0.3
    # "plateau": after this many epochs without a better dev CER the rate is multiplied by `plateau_factor`.
    plateau_epochs: int = 2
    plateau_factor: float = 0.5
    # If above 0: the run ends after this many epochs without a better dev CER; small data is soon learnt by heart.
    stop_after: int = 0
    weight_decay: float = 0.01
    # Gradients are scaled down to this norm.
    clip: float = 1.0
    # Batches whose gradients are added up before each update: a large batch where memory holds a small one only.
    accumulate: int = 1
    # Weight of each auxiliary CTC head beside the top one's 1.
    auxiliary_weight: float = 0.3
    # Weight of the phone head, where the network has one (network.phones).
    phone_weight: float = 0.5
    # Share of the loss that pulls every frame towards all symbols alike (recog.ctc.loss.uniformity): against peaks of certainty.
    label_smoothing: float = 0.0
    # Weight of the entropy over a target's alignments (recog.ctc.loss.path_entropy): against settling on one too early.
    entropy_weight: float = 0.0
    # Standard deviation of Gaussian noise on the weights (Graves 2013: 0.075): flat minima, for small data.
    weight_noise: float = 0.0
    # Update at which the noise sets in; Graves began from a network that had converged without.
    weight_noise_from: int = 0
    # Updates during which the lower part learns nothing: a new alphabet or hand first settles in the upper part.
    freeze_steps: int = 0
    # What is frozen then: the convolutions and this many LSTM layers from below; -1: all of them, only the outputs learn.
    freeze_layers: int = -1
    # Weights are averaged over about 1 / (1 - average) updates.
    average: float = 0.999
    # Bundles kept, best first; at the end their weights' average is measured too and taken if it is better.
    keep_best: int = 3
    # "bf16" (autocast; softmax, loss and master weights stay float32), "fp32", or "auto": the faster one on this machine,
    # decided once, when a run begins (recog.training.precision).
    precision: str = "auto"
    # On a GPU: the same weights for the same seed, at the price of speed. On a CPU they are the same anyway.
    deterministic: bool = False
    # Dev rows evaluated after each epoch, evenly spaced; all of them at the end.
    dev_rows: int = 400
    # Seed of everything random.
    seed: int = 1
    # TensorBoard's event files in the run folder: "auto" (where it is installed), "yes" (refuse to start without) or "no".
    tensorboard: str = "auto"
    # Updates between two log lines, and minutes between two saved states.
    log_every: int = 50
    save_minutes: float = 10.0
    # Consecutive updates with a gradient that is not finite before training gives up.
    patience_bad: int = 20

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ConfigError(f"fit.precision is {self.precision!r}; choose one of {', '.join(PRECISIONS)}")
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"fit.schedule is {self.schedule!r}; choose one of {', '.join(SCHEDULES)}")
        if self.epochs < 1 or self.peak_rate <= 0 or not 0 <= self.flat <= 1 or not 0 <= self.average < 1:
            raise ConfigError("fit: expected epochs >= 1, peak_rate > 0, 0 <= flat <= 1, 0 <= average < 1")
        for name in ("dev_rows", "log_every", "patience_bad", "accumulate", "keep_best", "plateau_epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"fit.{name} is {getattr(self, name)}; expected at least 1")
        if self.clip <= 0 or not 0 < self.plateau_factor < 1 or not 0 <= self.label_smoothing < 1:
            raise ConfigError("fit: expected clip > 0, 0 < plateau_factor < 1, 0 <= label_smoothing < 1")
        for name in (
            *(
                "minutes",
                "warmup_steps",
                "weight_decay",
                "auxiliary_weight",
                "phone_weight",
                "save_minutes",
                "stop_after",
            ),
            *("entropy_weight", "weight_noise", "weight_noise_from", "freeze_steps"),
        ):
            if getattr(self, name) < 0:
                raise ConfigError(f"fit.{name} is {getattr(self, name)}; it must not be below 0")
        if self.freeze_layers < -1:
            raise ConfigError(f"fit.freeze_layers is {self.freeze_layers}; expected a number of layers, or -1 for all")
