"""fit(): the visible training loop. Rate -> batches -> gradient -> step -> average -> log -> evaluate -> save, top to bottom.

Recipe and lines of descent: AdamW (Loshchilov 2019), warm-up, flat, cosine; CTC with auxiliary heads (Lee & Watanabe
2021); weights averaged over the last steps (Polyak 1992) for evaluation and for the bundle. Its parts lie in
`recog.training`, one noun a file.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from recog import checkpoint, memory
from recog.checkpoint import Bundle
from recog.ctc.align import required_frames
from recog.data import DataConfig, Example, Samples
from recog.errors import ConfigError, TrainingError
from recog.evaluation import Evaluation, Pair, Scores, evaluate
from recog.manifest import Row
from recog.models import packed
from recog.models.average import Average
from recog.reading import Reader
from recog.recognizer import DecodingOptions, Recognizer
from recog.runlog import RunLog
from recog.training import best, parallel
from recog.training.determinism import deterministic, seeded
from recog.training.gradient import gradient
from recog.training.identity import identity
from recog.training.parallel import Peers
from recog.training.precision import decided
from recog.training.schedule import progress, rate
from recog.training.settings import FitConfig
from recog.training.state import Ranked, TrainState
from recog.training.stop import StopRequest

# Updates after which memory that was freed is handed back to the system.
TIDY_EVERY = 100


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

    `folder`/state.safetensors holds all that `resume` needs to go on as if nothing had happened. Under `torchrun`
    (`parallel.joined`) every process calls this with the same arguments; `folder` must be one and the same for all.
    """
    fits(config, bundle)
    peers = parallel.current()
    config = decided(config, folder, resume, peers)
    network = bundle.network.to(peers.device)
    peers.spread(network)
    optimiser = torch.optim.AdamW(
        network.parameters(), config.peak_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
    )
    average = Average(network, config.average)
    what = identity(bundle, samples, dev, config, batching)
    state = TrainState(folder / "state.safetensors", network, optimiser, average, what, bundle.provenance)
    if resume:
        state.load()
    elif peers.first:
        state.save()  # a folder that cannot be written is found out now, and --resume works from here on
    if peers.first:
        best.tidy(folder, state.kept)
    log = RunLog(folder, config.log_every, bundle, config.tensorboard, peers.rank, batching.workers)
    reading, guard = Reader(samples, batching.workers), deterministic(config.deterministic)
    with guard, StopRequest() as stop, state.rescued(peers.first), reading as reader:
        for epoch in range(state.epoch, config.epochs):
            if state.kept and over(epoch, peers.same(state.minutes), state, config):
                break
            batches = samples.epoch(epoch, config.seed, batching)
            log.expect(sum(samples.lengths[item % len(samples)] for batch in batches for item in batch))
            each = config.accumulate * peers.size
            starts = range(state.position(len(batches)), len(batches), each)
            own = [peers.share(batches, start, config.accumulate) for start in starts]
            coming = log.timed(reader.batches([batch for some in own for batch in some], epoch, config.seed))
            for start in starts:
                done = progress(epoch + start / len(batches), peers.same(state.minutes), config)
                if done >= 1:
                    break  # the clock has run out within the epoch
                now = rate(done, state.updates, config, state.cuts)
                for group in optimiser.param_groups:
                    group["lr"] = now
                network.train()
                network.hold(config.freeze_layers if state.updates < config.freeze_steps else None)
                seeded(config.seed, epoch, start, peers.rank)
                mine = [fitting(next(coming), bundle, log) for _ in peers.share(batches, start, config.accumulate)]
                update = gradient(bundle, mine, config, peers, state.updates)
                if update is None:
                    continue  # none of the samples can be learnt
                with state.moving():
                    if update.finite:
                        optimiser.step()
                        average.update(network)
                    state.advance(epoch, min(start + each, len(batches)), len(batches), update.finite)
                if peers.first:
                    log.update(state, update, done, now)
                    if state.due(config.save_minutes):
                        state.save()
                state.hope(config.patience_bad)
                if not state.updates % TIDY_EVERY:
                    tidy()
                if peers.sums([bool(stop.requested)])[0]:
                    stop.requested = stop.requested or "another process"
                    stop.check()
            finish_epoch(bundle, state, dev, config, peers, log, stop.check)
    return choose(bundle, state, dev, peers)


def tidy() -> None:
    """Lets go of memory that layers have ready for the next step, and of what the system could have back."""
    packed.buffers.clear()
    memory.give_back()


def fits(config: FitConfig, bundle: Bundle) -> None:
    """Refuses settings that ask for more than the network has."""
    layers = bundle.network.config.layers
    if config.freeze_layers > layers:
        raise ConfigError(f"fit.freeze_layers is {config.freeze_layers}; the network has {layers}")


def over(epoch: int, minutes: float, state: TrainState, config: FitConfig) -> bool:
    """Whether the run ends before this epoch: its time is up, or dev has seen no gain for too long."""
    return progress(epoch, minutes, config) >= 1 or 0 < config.stop_after <= state.stale


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


def finish_epoch(
    bundle: Bundle,
    state: TrainState,
    dev: Sequence[Row],
    config: FitConfig,
    peers: Peers,
    log: RunLog,
    check: Callable[[int], None],
) -> None:
    """Scores the averaged weights on some of the dev rows, keeps them if they are among the best, saves the state."""
    folder, epoch, some = state.path.parent, state.epoch, dev[:: -(-len(dev) // config.dev_rows)]
    with state.average.applied(bundle.network):
        scores = scores_of(bundle, some, peers, check)
        cer = scores.characters.rate
        kept = best.ranking(state.kept, Ranked(epoch, cer), config.keep_best)
        if peers.first:
            log.evaluation(state, epoch, scores)
            told = {"updates": state.updates, "epochs": epoch + 1, "minutes": round(state.minutes, 1)}
            provenance = {**bundle.provenance, **told, "dev": best.figures(scores)}
            best.write(replace(bundle, provenance=provenance), folder, epoch, kept, cer < state.best_cer)
    # Only now, that it is written: were the run cut off before, it would judge this epoch again.
    state.kept = kept
    state.judge(cer, config.plateau_epochs)
    state.next_epoch(epoch + 1)
    if peers.first:
        state.save()
        best.tidy(folder, kept)


def choose(bundle: Bundle, state: TrainState, dev: Sequence[Row], peers: Peers) -> Fitted:
    """The best bundle on all dev rows: the best epoch's, or the average of those kept where that is better."""
    tidy()
    folder = state.path.parent
    found = checkpoint.load(folder / "best")
    scores = scores_of(found, dev, peers)
    if len(state.kept) > 1:
        if peers.first:
            best.average(folder, state.kept)
        peers.sums([0.0])  # the others wait until it is written
        averaged = checkpoint.load(folder / "average")
        its_scores = scores_of(averaged, dev, peers)
        averaged = replace(averaged, provenance={**averaged.provenance, "dev": best.figures(its_scores)})
        if peers.first:
            checkpoint.save(averaged, folder / "average")
        if its_scores.characters.rate < scores.characters.rate:
            found, scores = averaged, its_scores
            if peers.first:
                checkpoint.save(averaged, folder / "best")
    return Fitted(found, scores, state.epoch, state.updates, state.minutes)


def scores_of(
    bundle: Bundle, dev: Sequence[Row], peers: Peers | None = None, check: Callable[[int], object] | None = None
) -> Scores:
    """Greedy scores of a bundle on rows, each process reading its share; `check` may end it between files.

    Refuses a dev set without a single row that can be read and scored.
    """
    peers = peers or Peers()
    recognizer = Recognizer(bundle, DecodingOptions(beam=0))
    # Where others wait for this process's share it must come, stop or no stop.
    part = evaluate(recognizer, dev[peers.rank :: peers.size], progress=check if peers.size == 1 else None)
    shares = peers.gather([[pair.hypothesis, pair.failure] for pair in part.pairs])
    pairs = [Pair(row, *shares[number % peers.size][number // peers.size]) for number, row in enumerate(dev)]
    evaluation = Evaluation(tuple(pairs), bundle.text_rule, part.seconds, part.audio_seconds)
    if len(evaluation.failures) == len(dev):
        raise TrainingError(f"no dev row could be read; the first: {evaluation.failures[0].failure}")
    scores = evaluation.scores()
    if not scores.rows:  # a CER of 0 over nothing would be kept as the best for ever
        raise TrainingError(f"no dev row holds any text under the text rule {bundle.text_rule!r}; give other dev rows")
    return scores
