"""Warnings: raised when an alarm threshold is crossed, cleared after it was left."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salus_predictor.supervisor.risk import RiskLevel

Array = NDArray[np.float64]

CLEAR_AFTER = 0.1
"""Seconds below every alarm threshold after which a warning is cleared."""


@dataclass(frozen=True)
class Crossing:
    """A warning that was raised or cleared.

    Attributes:
        warning_id: the same in raised and cleared, growing from 1.
        raised: or cleared.
        failure_type: number of the failure.
        horizon: the shortest whose alarm threshold is crossed; when cleared, as when raised [s].
        probability: within that horizon, now.
        threshold: of that horizon.
    """

    warning_id: int
    raised: bool
    failure_type: int
    horizon: float
    probability: float
    threshold: float


class Warnings:
    """One warning a failure type at most; `next_id` is that of the next one."""

    def __init__(
        self, horizons: Array, alarm: Array, step_period: float, *, first_id: int = 1
    ) -> None:
        self._horizons, self._alarm = horizons, alarm
        self._patience = max(1, round(CLEAR_AFTER / step_period))
        self.next_id = first_id
        self._open: dict[int, tuple[int, int]] = {}  # failure type -> warning id, horizon row
        self._quiet: dict[int, int] = {}

    def begin(self) -> None:
        """Begin an episode: warnings do not outlive one."""
        self._open.clear()
        self._quiet.clear()

    def step(self, probability: Array, levels: NDArray[np.uint8]) -> list[Crossing]:
        """What is raised and cleared at this step; both arrays are (H, C)."""
        crossings: list[Crossing] = []
        if not self._open and levels.max(initial=0) < RiskLevel.ALARM:
            return crossings
        for kind in range(probability.shape[1]):
            rows = np.flatnonzero(levels[:, kind] >= RiskLevel.ALARM)
            if rows.size:
                self._quiet[kind] = 0
                if kind not in self._open:
                    self._open[kind] = (self.next_id, int(rows[0]))
                    self.next_id += 1
                    crossings.append(self._crossing(kind, probability, raised=True))
            elif kind in self._open:
                self._quiet[kind] += 1
                if self._quiet[kind] >= self._patience:
                    crossings.append(self._crossing(kind, probability, raised=False))
                    del self._open[kind]
        return crossings

    def _crossing(self, kind: int, probability: Array, *, raised: bool) -> Crossing:
        warning_id, row = self._open[kind]
        return Crossing(
            warning_id,
            raised,
            kind,
            float(self._horizons[row]),
            float(probability[row, kind]),
            float(self._alarm[row, kind]),
        )
