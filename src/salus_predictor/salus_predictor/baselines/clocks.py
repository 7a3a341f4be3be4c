"""Baselines that know the time and nothing else: what a label must not be told by."""

import numpy as np
from numpy.typing import NDArray

from salus_predictor.baselines.base import MissingInputError, Score, ScoreRecipe
from salus_predictor.steps import StepData

Array = NDArray[np.float64]


def elapsed(data: StepData) -> Array:
    """(N,) steps since the start of the episode."""
    return data.step_of_row.astype(np.float64)


def since_milestone(data: StepData) -> Array:
    """(N,) steps since the task last got further, or since the start."""
    out = np.empty(data.n_rows)
    for e, record in enumerate(data.records):
        steps = np.arange(data.lengths[e])
        passed = np.array([0, *sorted(step for _, step in record.milestones)])
        last = passed[np.searchsorted(passed, steps, side="right") - 1]
        out[data.rows(e)] = steps - last
    return out


def chunk_phase(data: StepData) -> Array:
    """(N,) steps since the action chunk was computed; NaN without chunks."""
    return np.where(data.chunk_phase >= 0, data.chunk_phase, np.nan)


def _fit_milestone(train: StepData, seed: int) -> Score:
    del seed
    if not any(record.milestones for record in train.records):
        raise MissingInputError("milestones in the episode records")
    return since_milestone


def _fit_phase(train: StepData, seed: int) -> Score:
    del seed
    if not (train.chunk_phase >= 0).any():
        raise MissingInputError("chunk_phase")
    return chunk_phase


CLOCKS = (
    ScoreRecipe("elapsed_time", lambda train, seed: elapsed),  # noqa: ARG005
    ScoreRecipe("since_milestone", _fit_milestone),
    ScoreRecipe("chunk_phase", _fit_phase),
)
"""Every clock."""
