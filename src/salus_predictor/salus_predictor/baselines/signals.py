"""Baselines that look at one signal: each by itself, and the published detectors that are one.

- epistemic alone: disagreement of the ensemble on the action about to be executed.
- ensemble variance (Lakshminarayanan et al., arXiv 1612.01474): spread of the members' chunks.
- STAC (Agia et al., arXiv 2410.04640): distance between the distributions of overlapping action
  chunks, summed from the start of the episode; STAC-single: the same with one sample a step
  (mean squared difference of overlapping chunks). Both are signals that the policy publishes.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_predictor.baselines.base import MissingInputError, Score, ScoreRecipe
from salus_predictor.steps import StepData

Array = NDArray[np.float64]

SIGNALS_OF: Final = {
    "epistemic_alone": ("epistemic",),
    "ensemble_variance": ("ensemble_variance", "chunk_disagreement"),
    "stac": ("stac", "chunk_mse_mmd"),
    "stac_single": ("stac_single", "chunk_mse"),
}
"""Names under which a published detector's signal may stand in a store, the first that does."""

SUMMED: Final = ("stac", "stac_single")


def single_signal(name: str) -> ScoreRecipe:
    """One signal as it is."""
    return ScoreRecipe(
        f"signal:{name}", lambda _train, _seed: _present(name), inputs=(name,), rowwise=True
    )


def published_signal(name: str) -> ScoreRecipe:
    """A published detector that is one signal, or the sum of one."""

    def fit(train: StepData, seed: int) -> Score:
        del seed
        column = first_of(train, SIGNALS_OF[name])
        return _summed(column) if name in SUMMED else _present(column)

    return ScoreRecipe(name, fit)


def first_of(data: StepData, names: tuple[str, ...]) -> str:
    """The first of these signals that the store has values of.

    Raises:
        MissingInputError: it has none.
    """
    for name in names:
        if name in data.signal_names and np.isfinite(data.signals[:, _column(data, name)]).any():
            return name
    raise MissingInputError(f"signal {' or '.join(names)}")


def _present(name: str) -> Score:
    def score(data: StepData) -> Array:
        return data.signals[:, _column(data, name)].astype(np.float64)

    return score


def _summed(name: str) -> Score:
    def score(data: StepData) -> Array:
        values = np.nan_to_num(data.signals[:, _column(data, name)].astype(np.float64))
        total = np.concatenate([[0.0], np.cumsum(values)])
        before: Array = np.repeat(total[data.starts], data.lengths)
        return total[1:] - before

    return score


def _column(data: StepData, name: str) -> int:
    return data.signal_names.index(name)
