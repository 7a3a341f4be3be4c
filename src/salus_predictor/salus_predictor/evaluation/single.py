"""What each signal tells by itself of each failure, beside what a clock tells.

Two figures a cell, over the valid rows after the idle time in which the signal has a value:

- as it is: AUROC of the signal itself, a high value taken for danger; below 0.5 a low value is
  dangerous. With the 95 % interval of an episode bootstrap.
- in any shape: AUROC of the failure rate in bins of the signal, learnt on one half of the episodes
  and scored on the other, both ways (`salus_data.doctor.leaks`). This is what a signal or a clock
  can tell that is dangerous in the middle of its range; 0.5 is chance here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.doctor.leaks import MIN_FAILED, binned_auroc, halves
from salus_predictor.baselines.clocks import chunk_phase, elapsed, since_milestone
from salus_predictor.evaluation.bootstrap import episode_weights
from salus_predictor.evaluation.figure import Figure
from salus_predictor.evaluation.ranking import rank_metrics
from salus_predictor.steps import StepData

Array = NDArray[np.float64]

CLOCKS: Final[dict[str, Callable[[StepData], Array]]] = {
    "elapsed time": elapsed,
    "time since milestone": since_milestone,
    "chunk phase": chunk_phase,
}
"""Beside every signal, because a signal that tells no more than a clock tells nothing."""


@dataclass(frozen=True)
class Cell:
    """One signal on one failure type within one horizon.

    Attributes:
        signal: its name, or that of a clock.
        horizon: [steps].
        failure_type: its name.
        as_it_is: AUROC, with its interval.
        any_shape: AUROC of cross-fitted failure rates; None with fewer than 6 failed episodes.
        rows, positives: valid rows with a value, and those of them before such a failure.
    """

    signal: str
    horizon: int
    failure_type: str
    as_it_is: Figure
    any_shape: float | None
    rows: int
    positives: int

    @property
    def text(self) -> str:
        """Both figures, `0.31 / 0.74`; a dash where there is none."""
        figures = (self.as_it_is.value, self.any_shape)
        return " / ".join("-" if value is None else f"{value:.2f}" for value in figures)

    def to_json(self) -> dict[str, Any]:
        """The cell as plain data."""
        interval = self.as_it_is.interval
        return {
            "signal": self.signal,
            "horizon": self.horizon,
            "failure_type": self.failure_type,
            "auroc": self.as_it_is.value,
            "auroc_ci": None if interval is None else list(interval),
            "auroc_any_shape": self.any_shape,
            "rows": self.rows,
            "positives": self.positives,
        }


def single_signals(
    data: StepData,
    *,
    horizons: tuple[int, ...] = (),
    replicates: int = 200,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Cell]:
    """Every clock and every signal, by horizon and failure type.

    Args:
        data: the episodes.
        horizons: of the contract [steps]; all if empty.
        replicates: of the episode bootstrap.
        seed: of the bootstrap.
        on_progress: called with signals done and to be done.

    Returns:
        The clocks first, then the signals in the contract's order; those without any value are
        left out.
    """
    chosen = horizons or tuple(data.contract.horizons)
    columns = {name: clock(data) for name, clock in CLOCKS.items()}
    columns |= {name: data.signals[:, k].astype(float) for k, name in enumerate(data.signal_names)}
    weights = episode_weights(len(data), replicates, seed=seed)
    kinds = np.array([record.failure_type for record in data.records], dtype=np.float64)
    after_idle = data.step_of_row >= np.repeat([r.idle_steps for r in data.records], data.lengths)
    half, episode = halves(kinds), data.episode_of_row
    cells = []
    for number, (name, values) in enumerate(columns.items()):
        known = np.isfinite(values) & after_idle
        for horizon in chosen if known.any() else ():
            h = data.contract.horizons.index(horizon)
            for c, kind in enumerate(data.contract.failure_types):
                rows = np.flatnonzero(known & data.valid[:, h, c])
                label = data.labels[rows, h, c] > 0
                _, auroc = rank_metrics(label, values[rows], episode[rows], weights)
                cells.append(
                    Cell(
                        name,
                        horizon,
                        kind,
                        Figure.of(auroc, "no step before such a failure"),
                        _cross_fitted(
                            label, values[rows], half[episode[rows]], int((kinds == c).sum())
                        ),
                        len(rows),
                        int(label.sum()),
                    )
                )
        if on_progress is not None:
            on_progress(number + 1, len(columns))
    return cells


def _cross_fitted(
    label: NDArray[np.bool_], values: Array, half: NDArray[np.int64], failed: int
) -> float | None:
    target, scores = label.astype(np.float64), []
    for fold in (0, 1):
        fit, score = half != fold, half == fold
        if failed < MIN_FAILED or not target[fit].any() or not 0 < target[score].mean() < 1:
            return None
        scores.append(binned_auroc(values[fit], target[fit], values[score], target[score]))
    return float(np.mean(scores))
