"""Score the forecasts of one predictor: the tree of metrics.json and what its pictures need."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError
from salus_data.types import Outcome
from salus_predictor.evaluation.alarms import (
    CLEAR_TIME,
    REACTION_TIME,
    AlarmRules,
    EpisodeAlarms,
    episode_alarms,
)
from salus_predictor.evaluation.bootstrap import DEFAULT_REPLICATES, episode_weights
from salus_predictor.evaluation.episode import episode_metrics
from salus_predictor.evaluation.errors import error_tree
from salus_predictor.evaluation.event import event_metrics
from salus_predictor.evaluation.figure import Figure
from salus_predictor.evaluation.step import STEP_METRICS, StepCells, step_cells
from salus_predictor.evaluation.thresholds import Thresholds
from salus_predictor.model.base import Forecasts
from salus_predictor.steps import StepData

Array = NDArray[np.float64]

LATER_HORIZONS: Final = (10, 15, 20)
"""Horizons [steps] of the second mean that is reported: the shortest leaves no time to act."""


@dataclass(frozen=True)
class Settings:
    """How to score.

    Attributes:
        reaction_time: seconds before the event in which an alarm is too late.
        clear_time: seconds without an alarm that end an alarm event.
        replicates: of the bootstrap.
        seed: of the bootstrap.
        causes: also score gradual and abrupt causes apart at step level, and tell where the errors
            lie.
    """

    reaction_time: float = REACTION_TIME
    clear_time: float = CLEAR_TIME
    replicates: int = DEFAULT_REPLICATES
    seed: int = 0
    causes: bool = True


@dataclass(frozen=True)
class Evaluation:
    """What one predictor did on one set of episodes.

    Attributes:
        name: of the predictor.
        tree: `step`, `event` and `episode` of metrics.json, with `Figure` leaves.
        cells: every step-level metric.
        alarms: of every episode.
        forecasts: of every row.
        thresholds: that were used.
        rules: of the alarms.
    """

    name: str
    tree: dict[str, Any]
    cells: StepCells
    alarms: EpisodeAlarms
    forecasts: Forecasts
    thresholds: Thresholds
    rules: AlarmRules


def evaluate(
    name: str,
    data: StepData,
    forecasts: Forecasts,
    thresholds: Thresholds,
    settings: Settings | None = None,
) -> Evaluation:
    """Score forecasts.

    Args:
        name: of the predictor.
        data: the test episodes.
        forecasts: of their rows.
        thresholds: chosen on other episodes.
        settings: of the rules and the bootstrap.

    Raises:
        FormatError: there is no episode, or the forecasts are not those of its rows or not
            probabilities.
    """
    settings = settings or Settings()
    check_forecasts(data, forecasts)
    thresholds.check(len(data.contract.horizons), len(data.contract.failure_types))
    weights = episode_weights(len(data), settings.replicates, seed=settings.seed)
    rules = AlarmRules.of(data, settings.reaction_time, settings.clear_time)
    cells = step_cells(data, forecasts.probability, thresholds.f1, weights)
    alarms = episode_alarms(data, forecasts, thresholds.alarm, rules)
    step = step_tree(cells)
    if settings.causes:
        step["by_cause"] = _by_cause(data, forecasts, thresholds, weights)
        if cells.dated:
            step["errors"] = error_tree(
                data,
                forecasts.probability,
                thresholds.f1,
                weights,
                headline_horizons(cells.horizons),
            )
    tree = {
        "step": step,
        "event": event_metrics(data, alarms, weights),
        "episode": episode_metrics(data, forecasts, alarms, thresholds.far_nominal, weights),
    }
    return Evaluation(name, tree, cells, alarms, forecasts, thresholds, rules)


def step_tree(cells: StepCells) -> dict[str, Any]:
    """The tree `step`: means over all cells, by type, by horizon, and every single cell."""
    return _means(cells) | {
        "by_horizon": {str(h): cells.mean(horizons=[h]) for h in cells.horizons},
        "cells": {
            name: {str(h): cells.mean(horizons=[h], types=[name]) for h in cells.horizons}
            for name in cells.types
        },
    }


def headline_horizons(horizons: tuple[int, ...]) -> tuple[int, ...]:
    """Of the data's horizons [steps] the later ones; all where it has none of those."""
    return tuple(h for h in LATER_HORIZONS if h in horizons) or horizons


def _means(cells: StepCells) -> dict[str, Any]:
    """Means over all horizons and over the later ones, of all types and by type."""
    tree: dict[str, Any] = {
        "macro": cells.mean(),
        "by_type": {name: cells.mean(types=[name]) for name in cells.types},
        "types_without_positives": list(cells.absent),
    }
    if later := tuple(h for h in LATER_HORIZONS if h in cells.horizons):
        suffix = "_".join(map(str, later))
        tree[f"macro_{suffix}"] = cells.mean(horizons=later)
        tree[f"by_type_{suffix}"] = {
            name: cells.mean(horizons=later, types=[name]) for name in cells.types
        }
    return tree


def endings_of(data: StepData) -> NDArray[np.int64]:
    """(E,) a number for each way in which an episode ended: outcome and type."""
    return np.array(
        [
            100 * int(record.outcome)
            + (record.failure_type + 1 if record.outcome is Outcome.FAILURE else 0)
            for record in data.records
        ],
        np.int64,
    )


def check_forecasts(data: StepData, forecasts: Forecasts) -> None:
    """Raise FormatError unless there is a proper forecast for every row."""
    contract = data.contract
    n_types = len(contract.failure_types)
    if len(data) == 0:
        raise FormatError("there is no episode to score")
    wanted = (data.n_rows, len(contract.horizons), n_types)
    if forecasts.probability.shape != wanted or forecasts.outcome.shape != (wanted[0], n_types + 1):
        raise FormatError(
            f"forecasts have shapes {forecasts.probability.shape} and {forecasts.outcome.shape}, "
            f"the data asks for {wanted} and {(wanted[0], n_types + 1)}"
        )
    undated = bool(np.isnan(forecasts.probability).all())  # says how episodes end, and not when
    for name, values in (
        ("probability", np.zeros(1) if undated else forecasts.probability),
        ("outcome", forecasts.outcome),
    ):
        if not (np.isfinite(values).all() and (values >= 0).all() and (values <= 1 + 1e-6).all()):
            raise FormatError(f"forecast {name} has values that are no probabilities (0 to 1)")


def _by_cause(
    data: StepData, forecasts: Forecasts, thresholds: Thresholds, weights: Array
) -> dict[str, Any]:
    """Successes and the failures of one kind of cause: gradual, or abrupt."""
    failed = np.array([record.outcome is Outcome.FAILURE for record in data.records])
    abrupt = np.array([record.abrupt for record in data.records], bool)
    tree: dict[str, Any] = {}
    for name, chosen in (("gradual", ~(failed & abrupt)), ("abrupt", ~(failed & ~abrupt))):
        if not (chosen & failed).any():
            tree[name] = {"macro": _missing(f"no failure with {name} cause")}
            continue
        cells = step_cells(
            data.subset(np.flatnonzero(chosen)),
            forecasts.probability[chosen[data.episode_of_row]],
            thresholds.f1,
            weights[:, chosen],
        )
        tree[name] = _means(cells)
    return tree


def _missing(reason: str) -> dict[str, Figure]:
    return {metric: Figure.missing(reason) for metric in STEP_METRICS}
