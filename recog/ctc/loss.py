"""The CTC loss (Graves 2006), the check that makes it finite, and two terms that keep a network from being too sure."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from recog.alphabet import BLANK
from recog.ctc.align import required_frames
from recog.errors import TrainingError

# The log-probability of what cannot be: far below any real one, yet finite, so that gradients stay numbers.
NEVER = -1e30


def ctc_loss(log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int]], ids: Sequence[str]) -> Tensor:
    """(B,) negative log-likelihood of each target, all finite.

    log_probs (B, T, S) natural logarithms, lengths (B,) frames; targets are label numbers in 1..S-1.
    Refuses a target that does not fit into its frames, naming the samples, instead of an infinite loss,
    and labels outside 1..S-1, for which PyTorch would read foreign memory.
    """
    symbols = log_probs.shape[2]
    for name, target in zip(ids, targets, strict=True):
        strange = [label for label in target if not 0 < label < symbols]
        if strange:
            raise TrainingError(f"the target of {name} holds label {strange[0]}; expected labels in 1..{symbols - 1}")
    offenders = [
        f"{name} ({int(frames)} frames, {required_frames(target)} needed)"
        for name, target, frames in zip(ids, targets, lengths, strict=True)
        if required_frames(target) > int(frames)
    ]
    if offenders:
        raise TrainingError(f"{len(offenders)} targets are longer than their samples allow: {', '.join(offenders[:5])}")
    if log_probs.is_cuda and torch.are_deterministic_algorithms_enabled():
        # CUDA's gradient adds up in whatever order its threads arrive.
        return ctc_loss(log_probs.cpu(), lengths.cpu(), targets, ids).to(log_probs.device)
    flat = torch.tensor(list(itertools.chain.from_iterable(targets)), dtype=torch.long, device=log_probs.device)
    return functional.ctc_loss(
        log_probs.transpose(0, 1),  # PyTorch wants (T, B, S)
        flat,
        lengths,
        torch.tensor([len(target) for target in targets]),
        blank=BLANK,
        reduction="none",
    )


def uniformity(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """(B,) sum over a sample's frames of KL(U || P_t), U giving all S symbols the same: 0 where P_t does so too.

    Label smoothing (Szegedy 2016) for CTC, which has no label of each frame: (1 - a) CTC + a times this, after Kim 2018.
    log_probs (B, T, S), lengths (B,); what lies past a length is never read.
    """
    inside = torch.arange(log_probs.shape[1], device=lengths.device) < lengths[:, None]
    divergence = -math.log(log_probs.shape[2]) - log_probs.mean(dim=2)
    return divergence.masked_fill(~inside.to(log_probs.device), 0.0).sum(dim=1)


def path_entropy(log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
    """(B,) entropy in nats of the alignments given the target, H(path | target, x): 0 where one path takes all.

    Maximised beside the likelihood it keeps CTC from settling on the first alignment it finds (Liu, Jin & Zhang 2018,
    EnCTC). One forward pass over CTC's states that carries, beside the log of the summed probability, the mean
    log-probability of the paths so far: H = log Z - E[log p(path)]. Takes targets that `ctc_loss` takes.
    """
    inside = torch.arange(log_probs.shape[1], device=log_probs.device) < lengths.to(log_probs.device)[:, None]
    states, may_skip = _states(targets, log_probs.device)
    scores = log_probs.masked_fill(~inside[:, :, None], 0.0)
    scores = scores.gather(2, states[:, None].expand(-1, scores.shape[1], -1))  # (B, T, 2 U + 1)
    total = torch.full_like(scores[:, 0], NEVER)
    total[:, :2] = scores[:, 0, :2]
    mean = scores[:, 0]
    for step in range(1, scores.shape[1]):
        ways = torch.stack([total, _shifted(total, 1), _shifted(total, 2).masked_fill(~may_skip, NEVER)])
        means = torch.stack([mean, _shifted(mean, 1), _shifted(mean, 2)])
        here = inside[:, step, None]
        mean = torch.where(here, (ways.softmax(0) * means).sum(0) + scores[:, step], mean)
        total = torch.where(here, ways.logsumexp(0) + scores[:, step], total)
    # A path ends in the last label or in the blank behind it; an empty target in its only blank.
    last = 2 * torch.tensor([len(target) for target in targets], device=total.device)[:, None]
    ends = torch.cat([last, (last - 1).clamp(min=0)], dim=1)
    ending = total.gather(1, ends)
    ending = torch.stack([ending[:, 0], ending[:, 1].masked_fill(last[:, 0] == 0, NEVER)], dim=1)
    return ending.logsumexp(1) - (ending.softmax(1) * mean.gather(1, ends)).sum(1)


def _states(targets: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """(B, 2 U + 1) labels with blanks around each, and where the blank before a label may be left out."""
    states = torch.full((len(targets), 2 * max(1, *map(len, targets), 1) + 1), BLANK, device=device)
    for row, target in enumerate(targets):
        states[row, 1 : 2 * len(target) : 2] = torch.tensor(target, dtype=states.dtype, device=device)
    may_skip = torch.zeros_like(states, dtype=torch.bool)
    may_skip[:, 2:] = (states[:, 2:] != BLANK) & (states[:, 2:] != states[:, :-2])
    return states, may_skip


def _shifted(values: Tensor, count: int) -> Tensor:
    """(B, N) moved up by `count` states; what comes in from below is impossible."""
    return functional.pad(values[:, :-count], (count, 0), value=NEVER)
