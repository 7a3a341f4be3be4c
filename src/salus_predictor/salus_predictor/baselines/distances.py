"""Baselines that only know successful steps: how far is this one from them.

- Mahalanobis distance (Lee et al., arXiv 1807.03888) with Ledoit-Wolf shrinkage.
- k nearest neighbours (Sun et al., arXiv 2204.06507): distance to the k-th of unit-length rows.

Each on the policy's embedding and on the step signals.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from salus_predictor.baselines.base import FitScore, Score, ScoreRecipe, success_rows
from salus_predictor.baselines.views import SUFFIXES, Source, View
from salus_predictor.steps import StepData

Array = NDArray[np.float64]

NEIGHBOUR: Final = 10
REFERENCE_ROWS: Final = 5000
"""Successful rows kept to compare with, drawn at random."""


def mahalanobis(source: Source) -> FitScore:
    """Squared Mahalanobis distance from the mean of successful rows."""

    def fit(train: StepData, seed: int) -> Score:
        del seed
        view = View.fit(train, source)
        model = LedoitWolf().fit(view(train)[success_rows(train)])

        def score(data: StepData) -> Array:
            distance: Array = model.mahalanobis(view(data)).astype(np.float64)
            return distance

        return score

    return fit


def nearest_neighbours(source: Source) -> FitScore:
    """Distance to the k-th nearest successful row."""

    def fit(train: StepData, seed: int) -> Score:
        view = View.fit(train, source)
        rows = np.flatnonzero(success_rows(train))
        if len(rows) > REFERENCE_ROWS:
            rows = np.random.default_rng(seed).choice(rows, REFERENCE_ROWS, replace=False)
        reference = _unit(view(train)[rows])
        model = NearestNeighbors(n_neighbors=min(NEIGHBOUR, len(reference))).fit(reference)

        def score(data: StepData) -> Array:
            distance, _ = model.kneighbors(_unit(view(data)))
            return np.asarray(distance[:, -1], np.float64)

        return score

    return fit


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(length, 1e-6)).astype(np.float32)


def distance_recipes() -> list[ScoreRecipe]:
    """On embeddings under the published names, on signals with `_signals` added."""
    return [
        ScoreRecipe(name + suffix, fit(source), learnt=True)
        for source, suffix in SUFFIXES.items()
        for name, fit in (("mahalanobis", mahalanobis), ("knn", nearest_neighbours))
    ]
