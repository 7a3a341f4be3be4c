"""Everything that a hazard model is fitted to: features and targets, episode by episode."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salus_predictor.model.hazards import FIRST_TYPE, UNKNOWN_OUTCOME, Targets, targets
from salus_predictor.steps import StepData

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Examples:
    """Rows of whole episodes.

    Attributes:
        data: their signals and labels.
        features: (N, F).
        targets: of every row.
    """

    data: StepData
    features: NDArray[np.float32]
    targets: Targets

    @classmethod
    def of(cls, data: StepData, features: NDArray[np.float32]) -> "Examples":
        """Features with the targets that the labels make."""
        return cls(data, features, targets(data))

    @property
    def horizons(self) -> int:
        """H."""
        return len(self.data.contract.horizons)

    @property
    def types(self) -> int:
        """C."""
        return len(self.data.contract.failure_types)

    @property
    def dated(self) -> bool:
        """Whether any row teaches when failures come."""
        return self.targets.dated

    def hazard_rates(self) -> Array:
        """(H, C + 2) how often each risk happened in each bin, none of them 0."""
        counts = np.stack(
            [
                np.bincount(
                    self.targets.risk[self.targets.at_risk[:, h], h], minlength=self.types + 2
                )
                for h in range(self.horizons)
            ]
        )
        smoothed = counts + 0.5
        return np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True), np.float64)

    def outcome_rates(self) -> Array:
        """(C + 1,) how often each outcome is asked, none of them 0."""
        asked = self.targets.outcome[self.targets.outcome != UNKNOWN_OUTCOME]
        smoothed = np.bincount(asked, minlength=self.types + 1) + 0.5
        return np.asarray(smoothed / smoothed.sum(), np.float64)

    def base_rates(self) -> Array:
        """(C,) share of positive labels at the longest horizon among valid ones."""
        valid = self.data.valid[:, -1]
        positive = (self.data.labels[:, -1] > 0) & valid
        return np.asarray(positive.sum(axis=0) / np.maximum(valid.sum(axis=0), 1), np.float64)

    def failures(self) -> NDArray[np.int64]:
        """(C,) episodes with a positive label of each type."""
        episode = self.data.episode_of_row
        failed = self.targets.at_risk & (self.targets.risk >= FIRST_TYPE)
        rows = np.flatnonzero(failed.any(axis=1))
        kinds = self.targets.risk[rows].max(axis=1) - FIRST_TYPE
        pairs = np.unique(np.stack([episode[rows], kinds]), axis=1)
        return np.bincount(pairs[1], minlength=self.types)
