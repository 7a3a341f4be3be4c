"""What a training tells while it runs."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class EpochReport:
    """One epoch of one network, or one round of boosting that was scored.

    Attributes:
        part: what is trained, such as `network 1/3`.
        epoch: from 1.
        epochs: at most.
        loss: of training, mean over its batches.
        macro_f1, macro_ap: on validation, mean over all horizons and types; NaN where the labels
            have no valid cell.
        outcome_loss: on validation.
        predictions: (C, 5) minimum, quartiles and maximum of the probabilities at the longest
            horizon on validation.
        types: names of the C failure types.
    """

    part: str
    epoch: int
    epochs: int
    loss: float
    macro_f1: float
    macro_ap: float
    outcome_loss: float
    predictions: Array
    types: tuple[str, ...] = ()


class Listener(Protocol):
    """Hears every epoch."""

    def epoch(self, report: EpochReport) -> None:
        """After an epoch."""

    def say(self, line: str) -> None:
        """A line for people."""


class Silent:
    """Says nothing."""

    def epoch(self, report: EpochReport) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""
