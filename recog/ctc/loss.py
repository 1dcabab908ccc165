"""The CTC loss (Graves 2006) and the check that makes it finite."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from recog.alphabet import BLANK
from recog.ctc.align import required_frames
from recog.errors import TrainingError


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
    flat = torch.tensor(list(itertools.chain.from_iterable(targets)), dtype=torch.long, device=log_probs.device)
    return functional.ctc_loss(
        log_probs.transpose(0, 1),  # PyTorch wants (T, B, S)
        flat,
        lengths,
        torch.tensor([len(target) for target in targets]),
        blank=BLANK,
        reduction="none",
    )
