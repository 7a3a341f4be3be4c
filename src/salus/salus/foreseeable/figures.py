"""How much of the positive steps lies after the first sign of the cause, and how much is found.

A step is foreseeable where anything of a cause of its failure shows at it or before
(`salus_collector.sim.families.signs`). The bound is the recall of a forecaster that knows nothing
of causes before they show and finds every step from then on. With precision taken as perfect its F1
is 2 R / (1 + R).

What is bounded: recall by knowledge. What is not: a guess by base rate, or by what often goes
before (no obstacle is seen, and most scenes have one), is right on some steps before the first
sign; a model's recall there says how often. Nor does it follow that the bound can be reached: the
first sign is as early as the cause could be seen at all, a sign that is there may be within the
noise, and near passes that end well cost precision, which is taken as perfect here.

Where an episode has several disturbances, the earliest sign is a bound and lenient. The same
figures by the latest sign are what the bound were if the cause that showed last brought the
failure each time; a model that finds steps before it says that it did not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.types import Outcome
from salus_predictor.evaluation.evaluate import headline_horizons
from salus_predictor.evaluation.figure import Figure
from salus_predictor.evaluation.step import is_predicted
from salus_predictor.steps import StepData

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

NO_STEP: Final = "no such step"


@dataclass(frozen=True)
class Scored:
    """What a model says: probabilities (N, H, C), and thresholds (H, C) of its validation."""

    probability: Array
    thresholds: Array


@dataclass(frozen=True)
class Cell:
    """Sums of one horizon and type under every weighting of the episodes, each (R,).

    The last three are 0 where there is no model.
    """

    positives: Array
    foreseeable: Array
    predicted: Array
    found: Array
    found_foreseeable: Array


def foreseeable(data: StepData, first: NDArray[np.int64]) -> Mask:
    """(N,) rows at or after the first sign (E,) of their episode."""
    mask: Mask = data.step_of_row >= first[data.episode_of_row]
    return mask


def figures(
    data: StepData, first: NDArray[np.int64], weights: Array, scored: Scored | None = None
) -> dict[str, Any]:
    """The bound, and a model beside it, by type and horizon, with `Figure` leaves.

    Args:
        data: E episodes.
        first: (E,) first row that shows a cause; any number for episodes without failure.
        weights: (R, E) of the bootstrap.
        scored: of a model; None for the bound alone.

    Returns:
        `by_type.<type>`, `by_horizon.<steps>`, `cells.<type>.<steps>` and `all`. Each: `positives`
        and `foreseeable` (steps, summed over its cells); `recall_bound`, `f1_bound`; with a model
        `recall`, `precision`, `f1`; `f1_foreseeable`, its F1 where steps before the first sign are
        not asked; `recall_foreseeable` and `recall_before`, the shares that it finds of the steps
        after and before the first sign. The last two are ratios of sums over the cells, all others
        means over the cells.
        Means are over the horizons of the headline, types without a positive step left out.
    """
    rows, later = foreseeable(data, first), headline_horizons(data.contract.horizons)
    types, horizons = data.contract.failure_types, data.contract.horizons
    cells = {
        (name, h): _cell(data, rows, weights, i, c, scored)
        for c, name in enumerate(types)
        for i, h in enumerate(horizons)
    }
    there = [name for name in types if any(cells[name, h].positives[0] for h in horizons)]

    def node(names: Sequence[str], steps: Sequence[int]) -> dict[str, Any]:
        return _node([cells[name, h] for name in names for h in steps], scored=scored is not None)

    return {
        "horizons": list(later),
        "by_type": {name: node([name], later) for name in there},
        "by_horizon": {str(h): node(there, [h]) for h in horizons},
        "cells": {name: {str(h): node([name], [h]) for h in horizons} for name in there},
        "all": node(there, later),
        "types_without_positives": [name for name in types if name not in there],
    }


def by_family(
    data: StepData,
    first: NDArray[np.int64],
    weights: Array,
    rules: Mapping[str, str],
    scored: Scored | None = None,
) -> dict[str, Any]:
    """The same for failures with one family each, all types together.

    Args:
        data: as for `figures`, as are `first`, `weights` and `scored`.
        first: see there.
        weights: see there.
        scored: see there.
        rules: family -> from when it can be seen, in words.

    Returns:
        For every family alone, for `none` and `two or more`: `failures`, `lead_median_steps` (from
        the first sign to the onset), `rule`, `positives`, `foreseeable`, `share`, and with a model
        `recall`, `recall_foreseeable`, `recall_before`; all are ratios of sums over the headline's
        horizons. Groups without failure are left out.
    """
    failed = np.array([r.outcome is Outcome.FAILURE and r.onset_step >= 0 for r in data.records])
    group = np.array([_group(tuple(record.disturbance)) for record in data.records])
    horizons = [data.contract.horizons.index(h) for h in headline_horizons(data.contract.horizons)]
    rows = foreseeable(data, first)
    found: dict[str, Any] = {}
    for name in (*rules, "none", "two or more"):
        chosen = np.flatnonzero(failed & (group == name))
        if not len(chosen):
            continue
        part = data.subset(chosen)
        mine = np.concatenate([np.arange(s.start, s.stop) for s in map(data.rows, chosen)])
        own = scored and Scored(scored.probability[mine], scored.thresholds)
        cells = [
            _cell(part, rows[mine], weights[:, chosen], h, c, own)
            for h in horizons
            for c in range(len(data.contract.failure_types))
        ]
        onsets = np.array([record.onset_step for record in part.records])
        found[name] = {
            "failures": len(chosen),
            "rule": rules.get(name, ""),
            "lead_median_steps": float(np.median(onsets - first[chosen])),
        } | _pooled(cells, scored=scored is not None)
    return found


def _group(families: tuple[str, ...]) -> str:
    return "two or more" if len(families) > 1 else (*families, "none")[0]


def _cell(
    data: StepData, rows: Mask, weights: Array, h: int, c: int, scored: Scored | None
) -> Cell:
    valid = data.valid[:, h, c]
    label = valid & (data.labels[:, h, c] > 0)

    def total(mask: Mask) -> Array:
        sums: Array = weights @ np.bincount(data.episode_of_row, mask, len(data))
        return sums

    predicted = np.zeros_like(valid)
    if scored is not None:
        threshold = float(scored.thresholds[h, c])
        predicted = valid & is_predicted(scored.probability[:, h, c], threshold)
    hit = label & predicted
    return Cell(total(label), total(label & rows), total(predicted), total(hit), total(hit & rows))


def _node(cells: Sequence[Cell], *, scored: bool) -> dict[str, Any]:
    """Means over cells; of a model only where one was scored."""
    bound = [_ratio(cell.foreseeable, cell.positives) for cell in cells]
    node = _steps(cells) | {
        "recall_bound": _mean(bound),
        "f1_bound": _mean([2 * share / (1 + share) for share in bound]),
    }
    if not scored:
        return node
    kinds: dict[str, list[Array]] = {"recall": [], "precision": [], "f1": [], "f1_foreseeable": []}
    for cell in cells:
        unseen = cell.found - cell.found_foreseeable  # right, and not asked
        kinds["recall"].append(_ratio(cell.found, cell.positives))
        precision = _ratio(cell.found, cell.predicted)
        kinds["precision"].append(np.where(cell.predicted > 0, precision, 0.0))
        kinds["f1"].append(_ratio(2 * cell.found, cell.positives + cell.predicted))
        kinds["f1_foreseeable"].append(
            _ratio(2 * cell.found_foreseeable, cell.foreseeable + cell.predicted - unseen)
        )
    means = {kind: _mean(values) for kind, values in kinds.items()}
    return node | means | _conditional(cells)


def _pooled(cells: Sequence[Cell], *, scored: bool) -> dict[str, Any]:
    """Ratios of sums over cells."""
    positives = np.sum([cell.positives for cell in cells], axis=0)
    share = _ratio(np.sum([cell.foreseeable for cell in cells], axis=0), positives)
    node = _steps(cells) | {"share": Figure.of(share, NO_STEP)}
    if not scored:
        return node
    found = np.sum([cell.found for cell in cells], axis=0)
    return node | {"recall": Figure.of(_ratio(found, positives), NO_STEP)} | _conditional(cells)


def _conditional(cells: Sequence[Cell]) -> dict[str, Figure]:
    """Recall from the first sign on, and before it, over all cells together."""
    positives, seen = (
        np.sum([getattr(cell, name) for cell in cells], axis=0)
        for name in ("positives", "foreseeable")
    )
    found, found_seen = (
        np.sum([getattr(cell, name) for cell in cells], axis=0)
        for name in ("found", "found_foreseeable")
    )
    return {
        "recall_foreseeable": Figure.of(_ratio(found_seen, seen), NO_STEP),
        "recall_before": Figure.of(_ratio(found - found_seen, positives - seen), NO_STEP),
    }


def _steps(cells: Sequence[Cell]) -> dict[str, int]:
    return {
        "positives": int(sum(cell.positives[0] for cell in cells)),
        "foreseeable": int(sum(cell.foreseeable[0] for cell in cells)),
    }


def _mean(values: Sequence[Array]) -> Figure:
    return Figure.of(np.mean(values, axis=0), NO_STEP) if values else Figure.missing(NO_STEP)


def _ratio(part: Array, whole: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: Array = part / whole
    return ratio
