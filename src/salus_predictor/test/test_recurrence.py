"""The recurrence at all steps at once is the one that goes step by step."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from salus_predictor.training.recurrence import recur


def step_by_step(kept: Tensor, candidate: Tensor) -> Tensor:
    hidden, states = torch.zeros_like(kept[0]), []
    for z, n in zip(kept, candidate, strict=True):
        hidden = z * hidden + (1 - z) * n
        states.append(hidden)
    return torch.stack(states)


@given(st.integers(1, 70), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=30)
def test_states_and_gradients_are_those_of_single_steps(steps: int, batch: int, seed: int) -> None:
    torch.manual_seed(seed)
    shape = (steps, batch, 4)
    given_ = [torch.rand(shape, dtype=torch.float64), torch.randn(shape, dtype=torch.float64)]
    weights = torch.randn(shape, dtype=torch.float64)
    found = []
    for states in (step_by_step, recur):
        inputs = [part.clone().requires_grad_() for part in given_]
        hidden = states(*inputs)
        found.append([hidden, *torch.autograd.grad((hidden * weights).sum(), inputs)])
    for theirs, ours in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12, rtol=1e-12)
