"""The gradient of one update: batches -> network -> loss -> gradients, summed, guarded and clipped, ready for the step."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass

import torch
from torch import Tensor, nn

from recog import frontend, memory
from recog.alphabet import BLANK, Alphabet
from recog.checkpoint import Bundle
from recog.ctc.align import required_frames
from recog.ctc.greedy import greedy
from recog.ctc.loss import ctc_loss, path_entropy, uniformity
from recog.data import Example
from recog.metrics import Counts, character_counts, total
from recog.models.layers import length_mask
from recog.models.network import NetworkOutput
from recog.models.noise import weight_noise
from recog.runlog import Update
from recog.training.parallel import Peers
from recog.training.precision import arithmetic
from recog.training.settings import FitConfig


@dataclass(frozen=True)
class Tally:
    """What batches tell, as sums."""

    # Loss of the top head in nats.
    loss: float = 0.0
    labels: float = 0.0
    samples: float = 0.0
    # True input frames, true output frames, and those among the latter whose likeliest symbol is blank.
    frames: float = 0.0
    steps: float = 0.0
    blanks: float = 0.0
    # Character errors and reference characters of a few samples: an impression, at no cost to speak of.
    substitutions: float = 0.0
    deletions: float = 0.0
    insertions: float = 0.0
    characters: float = 0.0
    # Input frames with padding.
    padded: float = 0.0

    def update(self, finite: bool) -> Update:
        """As the log takes it in."""
        if not finite:
            return Update(math.inf, Counts(), 0.0, int(self.samples), int(self.frames), int(self.padded))
        seen = Counts(int(self.substitutions), int(self.deletions), int(self.insertions), int(self.characters))
        counted = int(self.samples), int(self.frames), int(self.padded)
        return Update(self.loss / self.labels, seen, self.blanks / self.steps, *counted)


def gradient(
    bundle: Bundle, batches: Sequence[Sequence[Example]], config: FitConfig, peers: Peers, updates: int = 0
) -> Update | None:
    """Leaves in the bundle's network the gradient of the loss a label, over all batches of all processes together.

    So k small batches give what one large batch gives, and N processes what one gives; None where no batch holds an
    example. A gradient that is not finite is reported as an update with an infinite loss; the batch statistics it came
    with are undone, as they are when an error ends the computation. `updates` is how many there were before.
    """
    network = bundle.network
    network.zero_grad()
    deviation = config.weight_noise if updates >= config.weight_noise_from else 0.0
    with undone_on_error(network) as undo:
        with weight_noise(network, deviation):
            told = [astuple(_backward(bundle, some, config, peers.device)) for some in batches if some]
        tally = Tally(*peers.sums([sum(values) for values in zip(astuple(Tally()), *told, strict=True)]))
        if not tally.labels:
            return None
        peers.sum_gradients(network)
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.grad /= tally.labels
        finite = bool(torch.isfinite(torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)))
        if not finite:
            undo()
        peers.mean_statistics(network)
    return tally.update(finite)


def _backward(bundle: Bundle, examples: Sequence[Example], config: FitConfig, device: torch.device) -> Tally:
    """Adds the gradient of one batch's summed loss to what the network has."""
    with memory.explained([len(example.features) for example in examples], device):
        return _counted(bundle, examples, config, device)


def _counted(bundle: Bundle, examples: Sequence[Example], config: FitConfig, device: torch.device) -> Tally:
    batch = frontend.pad([example.features for example in examples])
    x, lengths = batch.x.to(device), batch.lengths.to(device)
    with arithmetic(config.precision, device):
        output = bundle.network(x, lengths, auxiliary=True)
    targets, ids = [example.target for example in examples], [example.id for example in examples]
    top = ctc_loss(output.log_probs, output.lengths, targets, ids).sum()
    wanted = objective(top, output, targets, ids, config)
    if output.phones is not None:
        wanted = wanted + config.phone_weight * phone_loss(output.phones, output.lengths, examples)
    wanted.backward()  # type: ignore[no-untyped-call]
    loss = top.item()
    seen = glance(bundle.alphabet, output, targets) if math.isfinite(loss) else Counts()
    return Tally(
        loss=loss,
        labels=sum(len(target) for target in targets),
        samples=len(examples),
        frames=int(lengths.sum()),
        steps=int(output.lengths.sum()),
        blanks=blanks(output.log_probs, output.lengths),
        substitutions=seen.substitutions,
        deletions=seen.deletions,
        insertions=seen.insertions,
        characters=seen.units,
        padded=x.shape[0] * x.shape[1],
    )


def objective(
    top: Tensor, output: NetworkOutput, targets: Sequence[Sequence[int]], ids: Sequence[str], config: FitConfig
) -> Tensor:
    """What is made small, summed over the batch: the top head's CTC loss `top`, its regularisers, the auxiliary heads'."""
    wanted = top
    if config.label_smoothing:
        even = uniformity(output.log_probs, output.lengths).sum()
        wanted = (1 - config.label_smoothing) * wanted + config.label_smoothing * even
    if config.entropy_weight:
        wanted = wanted - config.entropy_weight * path_entropy(output.log_probs, output.lengths, targets).sum()
    for log_probs in output.auxiliary:
        wanted = wanted + config.auxiliary_weight * ctc_loss(log_probs, output.lengths, targets, ids).sum()
    return wanted


def phone_loss(log_probs: Tensor, lengths: Tensor, examples: Sequence[Example]) -> Tensor:
    """The phone head's CTC loss, summed over those examples whose phones are known and fit into their frames."""
    frames = lengths.tolist()
    told = {
        row: example.phones
        for row, example in enumerate(examples)
        if example.phones is not None and required_frames(example.phones) <= frames[row]
    }
    rows = list(told)
    if not rows:
        return 0 * log_probs.sum()  # other processes may have some, and wait for this one's gradient
    return ctc_loss(log_probs[rows], lengths[rows], list(told.values()), [examples[row].id for row in rows]).sum()


@contextlib.contextmanager
def undone_on_error(network: nn.Module) -> Iterator[Callable[[], None]]:
    """Yields what brings the network's running statistics back to their values at the start; an error does so too."""
    before = [buffer.clone() for buffer in network.buffers()]

    def undo() -> None:
        with torch.no_grad():
            for buffer, value in zip(network.buffers(), before, strict=True):
                buffer.copy_(value)

    try:
        yield undo
    except BaseException:
        undo()
        raise


def blanks(log_probs: Tensor, lengths: Tensor) -> int:
    """How many true frames have blank as their likeliest symbol: all of them means an empty output."""
    blank = log_probs.argmax(dim=2) == BLANK
    return int((blank & length_mask(lengths, blank.shape[1])).sum())


def glance(alphabet: Alphabet, output: NetworkOutput, targets: Sequence[Sequence[int]], count: int = 4) -> Counts:
    """Character errors of the first few samples of a training batch, greedy."""
    log_probs = output.log_probs[:count].detach().float().cpu().numpy()
    found = [greedy(matrix[:length]).labels for matrix, length in zip(log_probs, output.lengths.tolist(), strict=False)]
    return total(
        [
            character_counts(alphabet.decode(target), alphabet.decode(labels))
            for target, labels in zip(targets, found, strict=False)
        ]
    )
