"""Computes the uncertainty signals step by step; no clock, no future, constant cost."""

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from salus_collector.policy.signals.embedding import EmbeddingStatistics
from salus_collector.policy.signals.table import (
    POLICY_SIGNAL_COLUMNS,
    POLICY_SIGNALS,
    TREND_STEPS,
    Moment,
    PolicySignal,
    Sampling,
)
from salus_data.types import Validity

Array = NDArray[np.float64]


class PolicySignals:
    """Computes `POLICY_SIGNALS` from what a policy samples."""

    columns = POLICY_SIGNAL_COLUMNS

    def __init__(self, period: float, statistics: EmbeddingStatistics | None = None) -> None:
        """Prepare for steps `period` seconds apart."""
        self._period, self._statistics = period, statistics
        self.reset()

    def reset(self) -> None:
        """Begin an episode: nothing of the one before has any effect."""
        self._now: Sampling | None = None
        self._before: Sampling | None = None
        self._age = self._lag = 0
        self._epistemic: deque[float] = deque(maxlen=TREND_STEPS)
        self._values = np.full(len(POLICY_SIGNALS), math.nan)

    def step(self, sampling: Sampling | None) -> tuple[Array, NDArray[np.uint8]]:
        """The signals of this step.

        Args:
            sampling: of this step; None where the policy did not sample.

        Returns:
            values: (K,) NaN where a signal has no value.
            validity: (K,) `Validity`, the reason for each NaN.
        """
        if sampling is not None:
            self._before, self._lag = self._now, self._age + 1
            self._now, self._age = sampling, 0
        else:
            self._age += 1
        now = self._now
        if now is None or self._age >= now.samples.shape[2]:
            self._values[:] = math.nan
            reasons = np.full(len(POLICY_SIGNALS), Validity.WARMING_UP, np.uint8)
            return self._values.copy(), reasons
        reach = self._before is not None and self._lag < now.samples.shape[2]
        validity = [self._reason(signal, now, reach) for signal in POLICY_SIGNALS]
        for k, signal in enumerate(POLICY_SIGNALS):
            if validity[k] is Validity.VALID and (sampling is not None or not signal.sampled):
                self._values[k] = signal.compute(self._moment(now))
            if signal.name == "epistemic" and validity[k] is Validity.VALID:
                self._epistemic.append(float(self._values[k]))
                validity = [self._reason(other, now, reach) for other in POLICY_SIGNALS]
            if validity[k] is not Validity.VALID:
                self._values[k] = math.nan
        return self._values.copy(), np.array(validity, np.uint8)

    def _moment(self, now: Sampling) -> Moment:
        return Moment(
            now,
            self._age,
            self._before,
            self._lag,
            tuple(self._epistemic),
            self._period,
            self._statistics,
        )

    def _reason(self, signal: PolicySignal, now: Sampling, reach: bool) -> Validity:
        members, noises = now.samples.shape[:2]
        if signal.ensemble and members < 2:
            return Validity.NO_ENSEMBLE
        if signal.noises and noises < 2:
            return Validity.NOT_PROVIDED
        if signal.fitted and self._statistics is None:
            return Validity.NOT_PROVIDED
        if signal.pair and not reach:
            return Validity.WARMING_UP
        if len(self._epistemic) < signal.history:
            return Validity.WARMING_UP
        return Validity.VALID
