"""Competing risks in discrete time: which event comes first, in which bin.

The bins lie between the horizons: bin b holds the steps after horizon b-1 up to horizon b. Given
that nothing came before bin b, exactly one of C + 2 things happens in it: nothing, success, or one
of C failures. Their probabilities are the hazards, a softmax of the logits. The cumulative
incidence of failure c up to bin b,

    F_c(b) = sum_{k <= b} S(k - 1) h_c(k),    S(k) = prod_{j <= k} h_nothing(j),

is a sum of numbers that are not negative, so it grows with the horizon whatever the logits, and
over all types it stays below 1. See Prentice et al., Biometrics 34 (1978) 541, and, for discrete
time with one network, Lee et al., "DeepHit", AAAI 2018.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.types import Outcome
from salus_predictor.steps import StepData

Array = NDArray[np.float64]

NOTHING: Final = 0
SUCCESS: Final = 1
FIRST_TYPE: Final = 2
"""Places of the risks among the C + 2: nothing, success, then every failure type."""

UNKNOWN_OUTCOME: Final = -1


def softmax(logits: Array) -> Array:
    """Softmax over the last axis."""
    # The ufuncs' own methods: those of arrays take longer than the sum of a single row.
    shifted: Array = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= np.add.reduce(shifted, axis=-1, keepdims=True)
    return shifted


def log_softmax(logits: Array) -> Array:
    """Logarithm of the softmax over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    normalised: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalised


def cumulative_incidence(logits: Array) -> Array:
    """Probability (..., H, C) of each failure within each horizon, of logits (..., H, C + 2)."""
    hazards = softmax(logits)
    incidence: Array = hazards[..., FIRST_TYPE:]
    # In every bin but the first, only if nothing has happened before.
    survival = np.multiply.accumulate(hazards[..., :-1, NOTHING], axis=-1)
    incidence[..., 1:, :] *= survival[..., None]
    return np.add.accumulate(incidence, axis=-2)


@dataclass(frozen=True)
class Targets:
    """What each of N rows teaches.

    Attributes:
        risk: (N, H) int64, what happened in each bin: a place among the C + 2 risks, read only
            where `at_risk`.
        at_risk: (N, H) bool, where it is known what happened in the bin and nothing had before.
        outcome: (N,) int64, how the episode ended: 0 success, 1 + type, UNKNOWN_OUTCOME.
    """

    risk: NDArray[np.int64]
    at_risk: NDArray[np.bool_]
    outcome: NDArray[np.int64]

    @property
    def dated(self) -> bool:
        """Whether any row teaches when failures come."""
        return bool((self.at_risk & (self.risk >= FIRST_TYPE)).any())


def targets(data: StepData) -> Targets:
    """What the labels of every row say about the bins, and its episode about the outcome.

    Failures come from the labels alone; the records add the step of success, which labels do not
    have. A success of unknown date counts as nothing in every bin: no failure came, which is all
    that the labels say. The outcome is asked before the event, or everywhere if its date is
    unknown.
    """
    horizons = np.asarray(data.contract.horizons)
    known = data.valid.any(axis=2)  # (N, H): all types of a horizon are known together
    failed = (data.labels > 0) & data.valid  # (N, H, C)
    within = failed.any(axis=2)
    kind = failed.argmax(axis=2)  # (N, H)

    to_success, outcome = _from_records(data)
    success = (to_success[:, None] > 0) & (to_success[:, None] <= horizons) & ~within
    happened = within | success  # (N, H), grows with the horizon
    before = np.concatenate([np.zeros_like(happened[:, :1]), happened[:, :-1]], axis=1)
    risk = np.where(within, FIRST_TYPE + kind, np.where(success, SUCCESS, NOTHING))
    return Targets(risk.astype(np.int64), known & ~before, outcome)


def _from_records(data: StepData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Steps (N,) to a dated success, 0 where there is none; outcome (N,) where asked."""
    step = data.step_of_row
    episode = data.episode_of_row
    success = np.full(len(data), -1, np.int64)
    outcome = np.full(len(data), UNKNOWN_OUTCOME, np.int64)
    last = np.full(len(data), np.iinfo(np.int64).max)  # first row on which nothing is asked
    for number, record in enumerate(data.records):
        changed = record.first_intervention_step
        if changed >= 0 and not 0 <= record.onset_step <= changed:
            continue  # what would have followed is not known
        if record.outcome is Outcome.SUCCESS:
            outcome[number] = 0
            success[number] = record.onset_step
        elif record.outcome is Outcome.FAILURE:
            outcome[number] = 1 + record.failure_type
        if record.onset_step >= 0:
            last[number] = record.onset_step
    to_success = np.where(success[episode] >= 0, success[episode] - step, 0)
    asked = step < last[episode]
    return to_success, np.where(asked, outcome[episode], UNKNOWN_OUTCOME)
