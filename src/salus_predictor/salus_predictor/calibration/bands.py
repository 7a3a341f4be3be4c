"""Time-varying bands: a threshold for every step, where risk usually grows along an episode.

Half of the successful episodes give the usual risk at every step and its spread; the other half is
scored by the largest excess, (risk_t - centre_t) / spread_t, whose conformal threshold q makes the
band centre_t + q spread_t. The chance that a new success ever leaves the band is at most alpha
(Diquigiovanni, Fontana and Vantini, J. Multivariate Analysis 189 (2022) 104879; for failures of
policies Xu et al., "Can we detect failures without failure data?", RSS 2025).
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from salus_predictor.calibration.conformal import conformal_threshold

Array = NDArray[np.float64]

MIN_EPISODES: Final = 5
"""Episodes that a step needs for a centre of its own; later steps take the last one that has."""

SPREAD_FLOOR: Final = 1e-3
"""Least spread, as a probability: a risk that never moved must not make a band of no width."""


@dataclass(frozen=True)
class Band:
    """Bands of all channels.

    Attributes:
        centre: (T, channels) usual risk at every step; the last row holds for later steps.
        spread: (T, channels) standard deviation at every step.
        excess: (S, channels) scores of the calibration episodes.
    """

    centre: Array
    spread: Array
    excess: Array

    @classmethod
    def fit(cls, risks: list[Array], n_channels: int) -> Self:
        """Of the risks (T, channels) of successful episodes; the first of each pair is scored."""
        shape, score = risks[1::2], risks[0::2]
        lengths = sorted((len(risk) for risk in shape), reverse=True)
        longest = lengths[MIN_EPISODES - 1] if len(lengths) >= MIN_EPISODES else 0
        if longest == 0:
            nothing = np.zeros((1, n_channels))
            return cls(nothing, np.ones_like(nothing), np.empty((0, n_channels)))
        table = np.full((len(shape), longest, n_channels), np.nan)
        for number, risk in enumerate(shape):
            table[number, : len(risk)] = risk[:longest]
        centre, spread = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
        band = cls(centre, np.maximum(spread, SPREAD_FLOOR), np.empty((0, n_channels)))
        excess = [band.excess_of(risk).max(axis=0) for risk in score]
        return cls(band.centre, band.spread, np.stack(excess))

    def excess_of(self, risk: Array) -> Array:
        """How far the risks (T, channels) of an episode are above the usual, in spreads."""
        step = np.minimum(np.arange(len(risk)), len(self.centre) - 1)
        excess: Array = (risk - self.centre[step]) / self.spread[step]
        return excess

    def threshold(self, alpha: float, n_steps: int) -> Array:
        """The band (n_steps, channels) at false-alarm rate `alpha` per successful episode."""
        level = np.array([conformal_threshold(s, alpha) for s in self.excess.T])
        step = np.minimum(np.arange(n_steps), len(self.centre) - 1)
        band: Array = self.centre[step] + level * self.spread[step]
        return band
