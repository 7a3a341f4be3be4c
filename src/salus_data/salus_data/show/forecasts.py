"""Forecasts of one episode, as its page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.errors import FormatError
from salus_data.summary.timelines import Panel, probability_panel


@dataclass(frozen=True)
class ShownForecasts:
    """What a model says at every step of an episode.

    Attributes:
        model: its name.
        probability: (T, H, C) that failure c comes within horizon h, over the contract's horizons
            and failure types; NaN where the model says nothing.
    """

    model: str
    probability: NDArray[np.float64]

    def panels(self, contract: Contract, length: int) -> Sequence[Panel]:
        """One panel a failure type, of the longest horizon.

        Raises:
            FormatError: the shape is not that of an episode of `length` rows.
        """
        expected = (length, len(contract.horizons), len(contract.failure_types))
        if self.probability.shape != expected:
            raise FormatError(
                f"forecasts of {self.model} have shape {self.probability.shape}, not {expected}"
            )
        return [
            probability_panel(f"{name} within {contract.horizons[-1]} steps", values)
            for name, values in zip(contract.failure_types, self.probability[:, -1].T, strict=True)
        ]
