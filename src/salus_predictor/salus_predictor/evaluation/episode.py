"""Episode-level metrics: will this episode fail, told from its beginning.

Every episode is cut at the same length, a share of the shortest episode of its task, since the
length of an episode gives its end away. The score is the forecast of the eventual outcome, one
minus the probability of success, at the last row of that prefix.
"""

from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.types import Outcome
from salus_predictor.evaluation.alarms import NONE, EpisodeAlarms
from salus_predictor.evaluation.figure import Figure
from salus_predictor.evaluation.ranking import rank_metrics
from salus_predictor.evaluation.thresholds import watched_rows
from salus_predictor.model.base import Forecasts
from salus_predictor.steps import StepData

Array = NDArray[np.float64]

PREFIXES: Final = (25, 50, 100)
"""Per cent of the shortest episode."""


def episode_metrics(
    data: StepData,
    forecasts: Forecasts,
    alarms: EpisodeAlarms,
    far_nominal: float | None,
    weights: Array,
) -> dict[str, object]:
    """The tree `episode` of metrics.json; `auc_within_task` is that of the whole prefix."""
    tree: dict[str, object] = {}
    for percent in PREFIXES:
        pooled, within = prefix_auc(data, forecasts, percent / 100, weights)
        tree[f"auc_prefix_{percent}"] = pooled
        tree[f"auc_within_task_{percent}"] = within
    tree["auc_within_task"] = tree[f"auc_within_task_{PREFIXES[-1]}"]
    tree["far_nominal"] = (
        Figure.missing("no alarm threshold was set for a false-alarm rate")
        if far_nominal is None
        else Figure(far_nominal, (far_nominal, far_nominal))
    )
    tree["far_realised"] = realised_rate(alarms, weights)
    return tree


def realised_rate(alarms: EpisodeAlarms, weights: Array) -> Figure:
    """Share of successful episodes with any alarm."""
    success = alarms.kind == NONE
    if not success.any():
        return Figure.missing("no successful episode")
    w = weights[:, success]
    with np.errstate(invalid="ignore", divide="ignore"):
        return Figure.of(w @ (alarms.false[success] > 0) / w.sum(axis=1))


def known_endings(data: StepData) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Episodes that succeeded or failed by themselves, and which of them failed."""
    chosen = [
        e
        for e, record in enumerate(data.records)
        if record.outcome in (Outcome.SUCCESS, Outcome.FAILURE)
        and record.first_intervention_step < 0
        and watched_rows(data, e) > 0
    ]
    failed = [data.records[e].outcome is Outcome.FAILURE for e in chosen]
    return np.array(chosen, np.int64), np.array(failed, bool)


def prefix_rows(data: StepData, chosen: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """The last row of each chosen episode's prefix: `share` of the shortest one of its task."""
    lengths = np.array([watched_rows(data, e) for e in chosen], np.int64)
    tasks = _tasks(data, chosen)
    rows = np.empty(len(chosen), np.int64)
    for task in np.unique(tasks):
        members = tasks == task
        rows[members] = max(1, ceil(share * lengths[members].min() - 1e-9)) - 1
    return data.starts[chosen] + rows


def prefix_auc(
    data: StepData, forecasts: Forecasts, share: float, weights: Array
) -> tuple[Figure, Figure]:
    """AUROC of failure against success over all tasks, and its mean over single tasks."""
    chosen, failed = known_endings(data)
    if failed.all() or not failed.any():
        missing = Figure.missing("needs successful and failed episodes")
        return missing, missing
    risk = 1 - forecasts.outcome[prefix_rows(data, chosen, share), 0]
    _, pooled = rank_metrics(failed, risk, np.arange(len(chosen)), weights[:, chosen])
    tasks, within = _tasks(data, chosen), []
    for task in np.unique(tasks):
        of = tasks == task
        if failed[of].any() and not failed[of].all():
            _, auc = rank_metrics(failed[of], risk[of], np.arange(of.sum()), weights[:, chosen[of]])
            within.append(auc)
    if not within:
        return Figure.of(pooled), Figure.missing("no task has both successes and failures")
    return Figure.of(pooled), Figure.of(np.mean(within, axis=0))


def _tasks(data: StepData, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    names = [data.records[e].task for e in chosen]
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([numbers[name] for name in names], np.int64)
