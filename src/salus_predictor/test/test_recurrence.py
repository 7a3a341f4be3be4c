"""The recurrence with its written-out gradient is torch's GRU."""

import pytest
import torch
from torch import Tensor, nn

from salus_predictor.training.recurrence import recur


@pytest.mark.parametrize(("batch", "steps"), [(1, 1), (3, 17)])
def test_states_and_gradients_are_those_of_torch(batch: int, steps: int) -> None:
    torch.manual_seed(batch)
    gru = nn.GRU(5, 7)
    inputs = torch.randn(steps, batch, 5)
    weights = torch.randn(steps, batch, 7)

    def states(own: bool, x: Tensor) -> Tensor:
        if not own:
            return gru(x)[0]  # type: ignore[no-any-return]
        given = nn.functional.linear(x, gru.weight_ih_l0, gru.bias_ih_l0)
        return recur(given, gru.weight_hh_l0, gru.bias_hh_l0)

    found = []
    for own in (False, True):
        gru.zero_grad()
        x = inputs.clone().requires_grad_()
        hidden = states(own, x)
        (hidden * weights).sum().backward()
        assert x.grad is not None
        found.append([hidden.detach(), x.grad, *(p.grad.clone() for p in gru.parameters())])
    for theirs, ours in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4, rtol=1e-4)
