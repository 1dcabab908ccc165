"""fit(): the visible training loop. Rate -> batch -> loss -> step -> average -> log -> evaluate -> save, top to bottom.

Recipe and lines of descent: AdamW (Loshchilov 2019), warm-up, flat, cosine; CTC with auxiliary heads (Lee & Watanabe
2021); weights averaged over the last steps (Polyak 1992) for evaluation and for the bundle.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from recog import checkpoint, data, frontend
from recog.alphabet import BLANK, Alphabet
from recog.checkpoint import Bundle
from recog.ctc.align import required_frames
from recog.ctc.greedy import greedy
from recog.ctc.loss import ctc_loss
from recog.data import DataConfig, Example, Samples
from recog.errors import ConfigError, TrainingError
from recog.evaluation import Scores, evaluate
from recog.manifest import Row
from recog.metrics import Counts, character_counts, total
from recog.models.average import Average
from recog.models.layers import length_mask
from recog.models.network import NetworkOutput
from recog.recognizer import DecodingOptions, Recognizer
from recog.runlog import RunLog, Update
from recog.trainstate import StopRequest, TrainState


@dataclass(frozen=True)
class FitConfig:
    """How long and how fast to train."""

    # Passes over the training rows.
    epochs: int = 20
    # If above 0: the schedule also ends after this many minutes, whichever comes first. Ties the result to the machine.
    minutes: float = 0.0
    # Highest learning rate, reached after `warmup_steps` updates, kept for `flat` of the run, then cosine to 1 %.
    peak_rate: float = 2e-3
    warmup_steps: int = 500
    flat: float = 0.3
    weight_decay: float = 0.01
    # Gradients are scaled down to this norm.
    clip: float = 1.0
    # Weight of each auxiliary CTC head beside the top one's 1.
    auxiliary_weight: float = 0.3
    # Weights are averaged over about 1 / (1 - average) updates.
    average: float = 0.999
    # "bf16" (autocast; softmax, loss and master weights stay float32) or "fp32".
    precision: str = "bf16"
    # Dev rows evaluated after each epoch, evenly spaced; all of them at the end.
    dev_rows: int = 400
    # Seed of everything random.
    seed: int = 1
    # Updates between two log lines, and minutes between two saved states.
    log_every: int = 50
    save_minutes: float = 10.0
    # Consecutive updates with a gradient that is not finite before training gives up.
    patience_bad: int = 20

    def __post_init__(self) -> None:
        if self.precision not in ("bf16", "fp32"):
            raise ConfigError(f"fit.precision is {self.precision!r}; choose 'bf16' or 'fp32'")
        if self.epochs < 1 or self.peak_rate <= 0 or not 0 <= self.flat <= 1 or not 0 <= self.average < 1:
            raise ConfigError("fit: expected epochs >= 1, peak_rate > 0, 0 <= flat <= 1, 0 <= average < 1")
        if min(self.dev_rows, self.log_every, self.patience_bad) < 1 or self.clip <= 0:
            raise ConfigError("fit: expected dev_rows, log_every and patience_bad of at least 1, and clip > 0")
        if min(self.minutes, self.warmup_steps, self.weight_decay, self.auxiliary_weight, self.save_minutes) < 0:
            raise ConfigError(
                "fit: minutes, warmup_steps, weight_decay, auxiliary_weight and save_minutes must not be below 0"
            )


@dataclass(frozen=True)
class Fitted:
    """The end of a training run."""

    bundle: Bundle
    best: Scores
    epochs: int
    updates: int
    minutes: float


def fit(
    bundle: Bundle,
    samples: Samples,
    dev: Sequence[Row],
    config: FitConfig,
    batching: DataConfig,
    folder: Path,
    resume: bool = False,
) -> Fitted:
    """Trains the bundle's network in place on `samples`; the best by CER on `dev` lies in `folder`/best.

    `folder`/state.safetensors holds all that `resume` needs to go on as if nothing had happened.
    """
    torch.manual_seed(config.seed)
    network = bundle.network
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), config.peak_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
    )
    average = Average(network, config.average)
    state = TrainState(folder / "state.safetensors", network, optimiser, average)
    if resume:
        state.load()
    log = RunLog(folder / "log.jsonl", config.log_every, bundle)
    with StopRequest() as stop:
        for epoch in range(state.epoch, config.epochs):
            network.train()
            batches = samples.epoch(epoch, config.seed, batching)
            for number in range(state.batch, len(batches)):
                done = progress(epoch + number / len(batches), state.minutes, config)
                if done >= 1:
                    break  # the clock has run out within the epoch
                for group in optimiser.param_groups:
                    group["lr"] = rate(done, state.updates, config)
                examples = fitting(data.examples(samples, batches[number], epoch, config.seed), bundle, log)
                if not examples:
                    continue
                update = step(bundle, optimiser, examples, config, device)
                if update.finite:
                    average.update(network)
                state.advance(epoch, number + 1, update.finite, config.patience_bad)
                log.update(state, update, done, optimiser.param_groups[0]["lr"])
                if stop.requested or state.due(config.save_minutes):
                    state.save()
                if stop.requested:
                    raise TrainingError(
                        f"stopped by {stop.requested} at update {state.updates}; the state is saved, go on with --resume"
                    )
            scores = evaluate_average(bundle, average, dev[:: -(-len(dev) // config.dev_rows)])
            log.evaluation(state, epoch, scores)
            if scores.characters.rate < state.best_cer:
                state.best_cer = scores.characters.rate
                save_average(bundle, average, folder / "best", state, scores)
            state.next_epoch(epoch + 1)
            state.save()
            if progress(epoch + 1, state.minutes, config) >= 1:
                break
    best = checkpoint.load(folder / "best")
    return Fitted(best, scores_of(best, dev), state.epoch, state.updates, state.minutes)


def progress(epochs: float, minutes: float, config: FitConfig) -> float:
    """Share of the run that is done, 0 to 1: by epochs, or by the clock where it is set and ahead."""
    by_clock = minutes / config.minutes if config.minutes else 0.0
    return min(1.0, max(epochs / config.epochs, by_clock))


def rate(done: float, updates: int, config: FitConfig) -> float:
    """The learning rate: linear warm-up by updates, flat, then a cosine down to 1 % of the peak."""
    falling = max(0.0, (done - config.flat) / max(1e-9, 1 - config.flat))
    share = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, falling)))
    return config.peak_rate * share * min(1.0, (updates + 1) / max(1, config.warmup_steps))


def fitting(examples: Iterable[Example], bundle: Bundle, log: RunLog) -> list[Example]:
    """The examples whose target fits into the network's output frames; the others are counted and named in the log."""
    kept = []
    for example in examples:
        frames = int(bundle.network.map_lengths(torch.tensor([len(example.features)])))
        if required_frames(example.target) <= frames:
            kept.append(example)
        else:
            log.left_out(example.id, frames, required_frames(example.target))
    return kept


def step(
    bundle: Bundle,
    optimiser: torch.optim.Optimizer,
    examples: Sequence[Example],
    config: FitConfig,
    device: torch.device,
) -> Update:
    """One update of the bundle's network on a batch of examples.

    A gradient that is not finite is thrown away, with the batch statistics it came with, and reported as an update
    with an infinite loss.
    """
    statistics = [buffer.clone() for buffer in bundle.network.buffers()]
    batch = frontend.pad([example.features for example in examples])
    x, lengths = batch.x.to(device), batch.lengths.to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        output = bundle.network(x, lengths, auxiliary=True)
    targets, ids = [example.target for example in examples], [example.id for example in examples]
    labels = sum(len(target) for target in targets)
    loss = ctc_loss(output.log_probs, output.lengths, targets, ids).sum() / labels
    both = loss
    for log_probs in output.auxiliary:
        both = both + config.auxiliary_weight * ctc_loss(log_probs, output.lengths, targets, ids).sum() / labels
    optimiser.zero_grad()
    both.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(bundle.network.parameters(), config.clip)
    if not torch.isfinite(norm):
        for buffer, before in zip(bundle.network.buffers(), statistics, strict=True):
            buffer.copy_(before)
        return Update(math.inf, Counts(), 0.0, len(examples), int(lengths.sum()))
    optimiser.step()
    blank = blank_share(output.log_probs, output.lengths)
    return Update(loss.item(), glance(bundle.alphabet, output, targets), blank, len(examples), int(lengths.sum()))


def blank_share(log_probs: Tensor, lengths: Tensor) -> float:
    """Of all true frames, the share whose likeliest symbol is blank: 1 means an empty output."""
    blank = (log_probs.argmax(dim=2) == BLANK).float()
    return float((blank * length_mask(lengths, blank.shape[1])).sum() / lengths.sum())


def glance(alphabet: Alphabet, output: NetworkOutput, targets: Sequence[Sequence[int]], count: int = 4) -> Counts:
    """Character errors of the first few samples of a training batch, greedy: an impression, at no cost to speak of."""
    log_probs = output.log_probs[:count].detach().float().cpu().numpy()
    found = [greedy(matrix[:length]).labels for matrix, length in zip(log_probs, output.lengths.tolist(), strict=False)]
    return total(
        [
            character_counts(alphabet.decode(target), alphabet.decode(labels))
            for target, labels in zip(targets, found, strict=False)
        ]
    )


def evaluate_average(bundle: Bundle, average: Average, dev: Sequence[Row]) -> Scores:
    """Greedy scores of the averaged weights on the dev rows."""
    with average.applied(bundle.network):
        return scores_of(bundle, dev)


def scores_of(bundle: Bundle, dev: Sequence[Row]) -> Scores:
    """Greedy scores of a bundle on rows; refuses a dev set without a single row that can be read and scored."""
    evaluation = evaluate(Recognizer(bundle, DecodingOptions(beam=0)), dev)
    if len(evaluation.failures) == len(dev):
        raise TrainingError(f"no dev row could be read; the first: {evaluation.failures[0].failure}")
    scores = evaluation.scores()
    if not scores.rows:  # a CER of 0 over nothing would be kept as the best for ever
        raise TrainingError(f"no dev row holds any text under the text rule {bundle.text_rule!r}; give other dev rows")
    return scores


def save_average(bundle: Bundle, average: Average, folder: Path, state: TrainState, scores: Scores) -> None:
    """Writes the averaged weights as a bundle."""
    provenance = {
        **bundle.provenance,
        "updates": state.updates,
        "epochs": state.epoch + 1,
        "minutes": round(state.minutes, 1),
        "dev": {"cer": round(scores.characters.rate, 5), "wer": round(scores.words.rate, 5), "rows": scores.rows},
    }
    with average.applied(bundle.network):
        checkpoint.save(
            Bundle(bundle.name, bundle.network, bundle.frontend, bundle.alphabet, bundle.text_rule, provenance), folder
        )
