"""Step-level metrics: one cell for each horizon and type, and their means.

Only valid cells count: rows whose truth is known, before the onset.
- F1, precision, recall at the threshold that validation data chose (0 where nothing is predicted;
  a probability of 0 never predicts).
- AP beside prevalence; AUROC.
- Brier skill: 1 - Brier / (p (1 - p)) with p the prevalence in the test data itself, so that 0 is
  the best constant forecast one could have made in hindsight.
- ECE over 15 bins of equal width (Guo et al., arXiv 1706.04599): mean |predicted - observed|
  weighted by the rows of a bin.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_predictor.evaluation.figure import Figure
from salus_predictor.evaluation.ranking import rank_metrics
from salus_predictor.steps import StepData

Array = NDArray[np.float64]

STEP_METRICS: Final = (
    "f1",
    "precision",
    "recall",
    "ap",
    "prevalence",
    "auroc",
    "brier_skill",
    "ece",
)
"""Names of the metrics of a cell, in the order of reports."""

ECE_BINS: Final = 15


@dataclass(frozen=True)
class StepCells:
    """Every metric of every cell under every weighting of the episodes.

    Attributes:
        horizons: (H,) steps.
        types: (C,) names.
        values: metric -> (H, C, R); the first weighting is the data as it is. NaN where the cell
            has no positive row, or none that is negative.
        dated: whether the predictor forecasts when; without, it only forecasts outcomes.
    """

    horizons: tuple[int, ...]
    types: tuple[str, ...]
    values: dict[str, Array]
    dated: bool = True

    @property
    def absent(self) -> tuple[str, ...]:
        """Types without a positive step."""
        known = np.isfinite(self.values["ap"][:, :, 0])
        shown = [bool(known[:, c].any()) for c in range(len(self.types))]
        return tuple(name for name, there in zip(self.types, shown, strict=True) if not there)

    def mean(
        self, horizons: Iterable[int] | None = None, types: Iterable[str] | None = None
    ) -> dict[str, Figure]:
        """The mean over cells with the intervals of that mean.

        Types that do not occur in the data are left out of the mean; `absent` names them.
        """
        rows = [self.horizons.index(h) for h in (horizons or self.horizons)]
        wanted = tuple(types or self.types)
        columns = [self.types.index(c) for c in wanted if c not in self.absent]
        if not columns:
            return {m: Figure.missing(self._why(wanted)) for m in STEP_METRICS}
        return {
            metric: Figure.of(
                self.values[metric][np.ix_(rows, columns)].mean(axis=(0, 1)),
                "a class is missing at some horizon",
                centred=metric == "ece",
            )
            for metric in STEP_METRICS
        }

    def _why(self, types: Sequence[str]) -> str:
        if not self.dated:
            return "the predictor forecasts outcomes, not when they come"
        return f"no step before {f'a {types[0]}' if len(types) == 1 else 'any failure'}"


def step_cells(data: StepData, probability: Array, thresholds: Array, weights: Array) -> StepCells:
    """All metrics of all cells.

    Args:
        data: E episodes, N rows.
        probability: (N, H, C).
        thresholds: (H, C); a cell is predicted where its probability is at or above it.
        weights: (R, E).
    """
    horizons, types = data.contract.horizons, data.contract.failure_types
    shape = (len(horizons), len(types), len(weights))
    values: dict[str, Array] = {metric: np.full(shape, np.nan) for metric in STEP_METRICS}
    episode = data.episode_of_row
    for h in range(len(horizons)):
        for c in range(len(types)):
            rows = np.flatnonzero(data.valid[:, h, c])
            label = data.labels[rows, h, c] > 0
            cell = cell_metrics(
                label, probability[rows, h, c], episode[rows], float(thresholds[h, c]), weights
            )
            for metric, value in cell.items():
                values[metric][h, c] = value
    dated = not np.isnan(probability).any()
    return StepCells(tuple(horizons), tuple(types), values, dated)


def is_predicted(score: Array, threshold: float) -> NDArray[np.bool_]:
    """Whether each probability counts as a positive forecast; one of 0 never does."""
    return (score >= threshold) & (score > 0)


def cell_metrics(
    label: NDArray[np.bool_],
    score: Array,
    episode: NDArray[np.int64],
    threshold: float,
    weights: Array,
) -> dict[str, Array]:
    """The metrics of one cell, each (R,); all NaN without a positive row, or without forecasts.

    Args:
        label: (n,) of the valid rows.
        score: (n,) of the same rows.
        episode: (n,) number of the episode of each.
        threshold: of F1, precision and recall.
        weights: (R, E).
    """
    if not label.any() or np.isnan(score).any():
        return {metric: np.full(len(weights), np.nan) for metric in STEP_METRICS}
    n_episodes = weights.shape[1]

    def total(values: NDArray[np.generic]) -> Array:
        sums: Array = weights @ np.bincount(episode, values.astype(np.float64), n_episodes)
        return sums

    predicted = is_predicted(score, threshold)
    hits = total(label & predicted)
    positives, alarms, count = total(label), total(predicted), total(np.ones(len(label)))
    ap, auroc = rank_metrics(label, score, episode, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        prevalence = positives / count
        occurs = positives > 0
        brier = total((score - label) ** 2) / count
        skill = 1 - brier / (prevalence * (1 - prevalence))
        return {
            "f1": np.where(occurs, 2 * hits / (positives + alarms), np.nan),
            "precision": np.where(occurs, np.where(alarms > 0, hits / alarms, 0.0), np.nan),
            "recall": hits / positives,
            "ap": ap,
            "prevalence": np.where(occurs, prevalence, np.nan),
            "auroc": auroc,
            "brier_skill": np.where(occurs & (prevalence < 1), skill, np.nan),
            "ece": calibration_error(label, score, episode, weights),
        }


def calibration_error(
    label: NDArray[np.bool_], score: Array, episode: NDArray[np.int64], weights: Array
) -> Array:
    """Expected calibration error, (R,), over bins of equal width."""
    place = np.minimum((score * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    flat = episode * ECE_BINS + place
    size = weights.shape[1] * ECE_BINS
    gap = np.bincount(flat, score - label, size).reshape(-1, ECE_BINS)
    count = np.bincount(episode, minlength=weights.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Array = np.abs(weights @ gap).sum(axis=1) / (weights @ count)
    return result
