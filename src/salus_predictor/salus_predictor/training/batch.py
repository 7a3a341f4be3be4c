"""Whole episodes side by side, as tensors."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salus_predictor.model.hazards import UNKNOWN_OUTCOME
from salus_predictor.training.examples import Examples
from salus_predictor.training.halves import Each
from salus_predictor.training.module import HazardModule, standardise

Array = NDArray[np.float64]

EPISODES_AT_ONCE = 16
"""Episodes of a batch that is only scored; what it needs fits into a cache."""


@dataclass(frozen=True)
class Batch:
    """B episodes, T steps of the longest; what is beyond the end of an episode teaches nothing.

    Attributes:
        features: (T, B, F) standardised.
        risk: (H, T, B) which of the C + 2 happened; at_risk: (H, T, B) 1 where that is known, or 0.
        outcome: (T, B).
    """

    features: Tensor
    risk: Tensor
    at_risk: Tensor
    outcome: Tensor


class Rows:
    """Examples as tensors, to take batches of.

    Attributes:
        at_risk: (E,) rows of each episode with a bin at risk.
        asked: (E,) rows of each episode whose outcome is asked.
    """

    def __init__(
        self, examples: Examples, mean: NDArray[np.float32], scale: NDArray[np.float32]
    ) -> None:
        self._data = examples.data
        self._features = torch.from_numpy(standardise(examples.features, mean, scale))
        self._risk = torch.from_numpy(examples.targets.risk.T.copy())
        self._at_risk = torch.from_numpy(examples.targets.at_risk.T.astype(np.float32))
        self._outcome = torch.from_numpy(examples.targets.outcome)
        starts, wanted = self._data.starts, examples.targets
        self.at_risk = np.add.reduceat(wanted.at_risk.any(axis=1), starts, dtype=np.int64)
        self.asked = np.add.reduceat(wanted.outcome != UNKNOWN_OUTCOME, starts, dtype=np.int64)

    def batch(self, episodes: NDArray[np.int64]) -> Batch:
        """Some episodes, side by side."""
        row, inside = self._places(episodes)
        return Batch(
            self._features[row],
            self._risk[:, row],
            self._at_risk[:, row] * inside,
            torch.where(inside, self._outcome[row], UNKNOWN_OUTCOME),
        )

    def logits(self, module: HazardModule, each: Each) -> tuple[Array, Array]:
        """Hazard logits (N, H, C + 2) and outcome logits (N, C + 1) of all rows."""
        order = np.argsort(self._data.lengths, kind="stable")
        count = -(-len(order) // EPISODES_AT_ONCE)

        def score(episodes: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
            row, inside = self._places(episodes)
            with torch.no_grad():  # each thread has its own switch
                hazards, outcome = module(self._features[row])
            return row[inside], hazards[..., inside], outcome[..., inside]

        parts = each(score, np.array_split(order, count))
        rows, *logits = (torch.cat(found, dim=-1) for found in zip(*parts, strict=True))
        back = torch.argsort(rows)
        hazards, outcome = (found[..., back].movedim(-1, 0).double().numpy() for found in logits)
        return hazards, outcome

    def _places(self, episodes: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """(T, B) the row of every step, the last one once more beyond the end; whether inside."""
        starts, ends = self._data.starts[episodes], self._data.ends[episodes]
        rows = starts + np.arange((ends - starts).max())[:, None]
        return torch.from_numpy(np.minimum(rows, ends - 1)), torch.from_numpy(rows < ends)
