"""The hazard network as a torch module; `model/network.py` runs what it has learnt."""

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from salus_predictor.model.features import WINDOWS
from salus_predictor.model.network import FEATURE_BOUND
from salus_predictor.training.recurrence import recur

BLOCK: Final = 4096
"""Rows at once."""

LONGEST: Final = WINDOWS[-1]
"""Steps that the slowest state begins with remembering (Tallec and Ollivier, ICLR 2018)."""


class HazardModule(nn.Module):
    """Features to hazard and outcome logits; the formula is in `model/network.py`."""

    def __init__(
        self, features: int, horizons: int, types: int, *, width: int, state: int, dropout: float
    ) -> None:
        super().__init__()
        self.horizons = horizons
        self.input = nn.Linear(features, width)
        self.recurrence = nn.Linear(width, 2 * state)
        with torch.no_grad():
            # sigmoid(b) keeps a state for 1 + exp(b) steps: from 2 to some LONGEST, as many short
            # as long ones.
            nn.init.uniform_(self.recurrence.bias[:state], 0.0, math.log(LONGEST))
        self.middle = nn.Linear(state + width, width)
        self.output = nn.Linear(width, (horizons + 1) * (types + 1))
        self.dropout = dropout

    def start_from(self, hazard_rates: NDArray[np.float64], outcome: NDArray[np.float64]) -> None:
        """Begin with what is known without looking: rates (H, C + 2) and outcomes (C + 1,)."""
        with torch.no_grad():
            logits = np.log(hazard_rates[:, 1:]) - np.log(hazard_rates[:, :1])
            bias = np.concatenate([logits.ravel(), np.log(outcome)])
            self.output.bias.copy_(torch.from_numpy(bias))
            self.output.weight.mul_(0.1)

    def left_out(self, episodes: int) -> Tensor:
        """Draw which activations of both wide layers are left out: factors (2, B, width).

        They are the same at all steps of an episode (Gal and Ghahramani, NeurIPS 2016).
        """
        stays = torch.rand(2, episodes, self.input.out_features) >= self.dropout
        return stays / (1 - self.dropout)

    def forward(self, features: Tensor, factors: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits (H, C + 2, T, B) and (C + 1, T, B) of features (T, B, F).

        Rows come last: a softmax over a few risks is fast only for many rows side by side.

        Args:
            features: of B episodes.
            factors: (2, B, width) of the activations, while training.
        """
        first, second = (1.0, 1.0) if factors is None else factors
        embedded = functional.silu(self.input(features)) * first
        kept, candidate = self.recurrence(embedded).chunk(2, dim=-1)
        hidden = recur(torch.sigmoid(kept), torch.tanh(candidate))
        joined = torch.cat([hidden, embedded], dim=-1)
        middle = functional.silu(self.middle(joined)) * second
        table = self.output(middle).movedim(-1, 0).contiguous()
        table = table.unflatten(0, (self.horizons + 1, -1))
        hazards = functional.pad(table[:-1], (0, 0, 0, 0, 1, 0))
        return hazards, table[-1]

    def tensors(
        self, mean: NDArray[np.float32], scale: NDArray[np.float32]
    ) -> dict[str, NDArray[np.float32]]:
        """Everything that `model.network.Network` needs."""
        own = {name: value.detach().numpy().copy() for name, value in self.state_dict().items()}
        return own | {"feature_mean": mean, "feature_scale": scale}


def feature_scale(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation (F,) of features (N, F); 1 for a constant one."""
    mean = features.mean(axis=0, dtype=np.float64)
    squares = np.zeros(features.shape[1])
    for first in range(0, len(features), BLOCK):
        # In pieces: the whole in double precision would not fit into a cache, or into memory.
        squares += ((features[first : first + BLOCK] - mean) ** 2).sum(axis=0)
    scale = np.sqrt(squares / len(features))
    scale = np.where(scale < 1e-6, 1.0, scale)
    return mean.astype(np.float32), scale.astype(np.float32)


def standardise(
    features: NDArray[np.float32], mean: NDArray[np.float32], scale: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Features as the module reads them."""
    standard = np.subtract(features, mean, dtype=np.float32)
    standard /= scale
    return np.clip(standard, -FEATURE_BOUND, FEATURE_BOUND, out=standard)
