"""The state of the recurrence at all steps at once, with its gradient written out.

    h_t = z_t h_{t-1} + (1 - z_t) n_t,    h_0 = 0

A linear recurrence is a prefix sum (Martin and Cundy, ICLR 2018). Time is cut into blocks, which go
through their steps side by side; then each takes up what the one before has passed on (Blelloch,
CMU-CS-90-190, 1990). A few dozen operations on large arrays take the place of T small ones. The
gradient is the same sum from the last step to the first.
"""

from itertools import pairwise
from typing import Any, Final, cast

import torch
from torch import Tensor
from torch.nn import functional

BLOCK: Final = 16
"""Steps of a block: about the square root of an episode's."""


def recur(kept: Tensor, candidate: Tensor) -> Tensor:
    """Hidden states (T, B, G) after every step, from zero before the first.

    Args:
        kept: (T, B, G) z, the share of the state that stays.
        candidate: (T, B, G) n, what comes in place of the rest.
    """
    return cast(Tensor, _Recurrence.apply(kept, candidate))  # type: ignore[no-untyped-call]


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kept: Tensor, candidate: Tensor) -> Tensor:
        hidden = _sum(kept, torch.addcmul(candidate, kept, candidate, value=-1))
        ctx.save_for_backward(kept, candidate, hidden)
        return hidden

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        kept, candidate, hidden = ctx.saved_tensors
        # Felt by a step: its own gradient, and what the next one passes on.
        felt = _sum(kept[1:], grads[0], backwards=True)
        to_kept = felt.mul(candidate).neg_()
        to_kept[1:].addcmul_(felt[1:], hidden[:-1])
        return to_kept, torch.addcmul(felt, felt, kept, value=-1)


def _sum(factor: Tensor, term: Tensor, *, backwards: bool = False) -> Tensor:
    """x_t = factor_t x_{t-1} + term_t for all t (T, B, G), x before the first 0.

    Backwards: x_t = factor_t x_{t+1} + term_t, x after the last 0; that one's factor may be left
    out.
    """
    steps = len(term)
    whole = steps + -steps % BLOCK
    factors, sums = (
        torch.unflatten(functional.pad(part, (0, 0, 0, 0, 0, whole - len(part))), 0, (-1, BLOCK))
        for part in (factor, term)
    )
    order, last = (-1, 0) if backwards else (1, -1)
    # Views made beforehand: making one takes as long as the operation on it.
    of_step = list(zip(factors.unbind(1), sums.unbind(1), strict=True))[::order]
    for (share_before, sum_before), (share, total) in pairwise(of_step):
        total.addcmul_(share, sum_before)
        share.mul_(share_before)
    of_block = list(zip(factors, sums, sums[:, last], strict=True))[::order]
    for (_, _, passed), (share, total, _) in pairwise(of_block):
        total.addcmul_(share, passed)
    return sums.flatten(0, 1)[:steps]
