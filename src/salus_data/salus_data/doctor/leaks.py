"""Leaks: what a clock alone knows about the labels.

A model that gets the elapsed time, the time since the last milestone or the phase within an action
chunk, however hidden, can look good without having seen the robot. So the doctor measures how far
each of them gets alone. A clock is cut into bins; the share of positive labels in each bin of one
half of the episodes scores the steps of the other half, and the other way round. Bins follow any
dependence, also one that rises and falls, and scoring on episodes that did not fit the bins keeps
the figure honest: 0.5 is chance, below is chance, too.

Only rows after the idle time count: while the arm waits nothing can fail, everybody can see that it
waits, and these easy rows would flatter any clock.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from salus_data.doctor.findings import Leak, Severity
from salus_data.doctor.source import Source, label_arrays
from salus_data.doctor.values import usable_signals
from salus_data.types import FAILURE_TYPES, FailureType, Outcome

HORIZON = 10
"""Steps; the horizon nearest to it is measured."""

CLOCKS = {
    "elapsed": (0.80, "elapsed time"),
    "since_milestone": (0.80, "the time since the last milestone"),
    "chunk_phase": (0.60, "the phase within the action chunk"),
}
"""AUROC above which each clock is a finding, and its name in words."""

PHASE_R2 = 0.5
"""Share of a signal's variance explained by the chunk phase that is a finding."""

CLOCK_R2 = 0.95
"""Share of a signal's variance explained by elapsed time: such a signal is a clock."""

MIN_FAILED = 6
"""Failed episodes of a type below which no figure is given."""

BINS = 24


def measure_leaks(sources: list[Source]) -> tuple[list[Leak], dict[str, float]]:
    """AUROC of every clock for every failure type, R2 of every signal by chunk phase.

    Findings go to the first store, since the figures are those of the whole set.
    """
    usable = [source for source in sources if _is_usable(source)]
    if not usable:
        return [], {}
    horizon, index = _nearest_horizon(usable[0])
    usable = [source for source in usable if _nearest_horizon(source) == (horizon, index)]
    table = _gather(usable, index)
    types = usable[0].label_attributes.get("failure_types", FAILURE_TYPES)
    leaks = []
    for clock, (limit, words) in CLOCKS.items():
        values = table[clock]
        if clock == "chunk_phase" and not (values >= 0).any():
            continue
        for number, name in enumerate(types[: table["labels"].shape[1]]):
            leak = _measure(table, clock, number, name, horizon)
            leaks.append(leak)
            if leak.auroc is not None and leak.auroc > limit:
                _report(usable[0], leak, limit, words)
    return leaks, _signal_clocks(usable, table)


def _is_usable(source: Source) -> bool:
    labels, _ = label_arrays(source)
    return (
        labels is not None
        and len(labels) > 0
        and len(source.complete_records) == len(source.ends)
        and len(_horizons(source)) == labels.shape[1]
    )


def _horizons(source: Source) -> list[int]:
    if source.label_attributes.get("horizons") is not None:
        return [int(h) for h in source.label_attributes["horizons"]]
    return list(source.contract.horizons) if source.contract is not None else []


def _nearest_horizon(source: Source) -> tuple[int, int]:
    horizons = _horizons(source)
    index = int(np.argmin([abs(h - HORIZON) for h in horizons]))
    return horizons[index], index


def _gather(sources: list[Source], horizon: int) -> dict[str, NDArray[np.float64]]:
    """Clocks, labels (N, C), validity (N, C) and episode numbers over all stores."""
    parts: dict[str, list[NDArray[np.float64]]] = {}
    offset = 0
    for source in sources:
        labels, valid = label_arrays(source)
        assert labels is not None
        asked = np.ones(labels.shape, bool) if valid is None else valid.astype(bool)
        asked = asked & _after_idle(source)[:, None, None]
        phase = source.read("chunk_phase")
        columns = {
            "labels": labels[:, horizon],
            "valid": asked[:, horizon],
            "episode": source.episode_of_row + offset,
            "elapsed": source.step_of_row,
            "since_milestone": _since_milestone(source),
            "chunk_phase": np.full(len(labels), -1) if phase is None else phase,
        }
        for name, values in columns.items():
            parts.setdefault(name, []).append(np.asarray(values, dtype=np.float64))
        offset += len(source.ends)
    table = {name: np.concatenate(values) for name, values in parts.items()}
    table["type_of_episode"] = np.array(
        [
            record.failure_type if record.outcome is Outcome.FAILURE else -1
            for source in sources
            for _, record in source.complete_records
        ],
        dtype=np.float64,
    )
    return table


def _after_idle(source: Source) -> NDArray[np.bool_]:
    """(N,) whether the row comes after the idle time at the start of its episode."""
    idle = np.zeros(source.n_rows, np.int64)
    for i, record in source.complete_records:
        idle[source.starts[i] : source.ends[i]] = record.idle_steps
    after: NDArray[np.bool_] = source.step_of_row >= idle
    return after


def _since_milestone(source: Source) -> NDArray[np.int64]:
    """(N,) steps since the last milestone, or since the start before the first one."""
    last = np.zeros(source.n_rows, np.int64)
    for i, record in source.complete_records:
        rows = last[source.starts[i] : source.ends[i]]
        for _, step in record.milestones:
            if 0 <= step < len(rows):
                rows[step:] = np.maximum(rows[step:], step)
    return source.step_of_row - last


def _measure(
    table: dict[str, NDArray[np.float64]], clock: str, number: int, name: str, horizon: int
) -> Leak:
    kinds = table["type_of_episode"]
    failed = int((kinds == number).sum())
    rows = table["valid"][:, number] > 0
    if clock == "chunk_phase":
        rows = rows & (table[clock] >= 0)
    half = halves(kinds)[table["episode"][rows].astype(np.int64)]
    target, values = table["labels"][rows, number], table[clock][rows]
    scores = []
    for fold in (0, 1):
        fit, score = half != fold, half == fold
        if failed < MIN_FAILED or not 0 < target[score].mean() < 1 or not target[fit].any():
            break
        scores.append(binned_auroc(values[fit], target[fit], values[score], target[score]))
    auroc = float(np.mean(scores)) if len(scores) == 2 else None
    return Leak(clock, name, horizon, auroc, failed)


def halves(kinds: NDArray[np.float64]) -> NDArray[np.int64]:
    """(E,) 0 or 1: episodes of each type in turn, so that both halves have all of them."""
    half = np.zeros(len(kinds), np.int64)
    for kind in np.unique(kinds):
        members = np.flatnonzero(kinds == kind)
        half[members] = np.arange(len(members)) % 2
    return half


def binned_auroc(
    fit: NDArray[np.float64],
    fit_target: NDArray[np.float64],
    score: NDArray[np.float64],
    score_target: NDArray[np.float64],
) -> float:
    """AUROC of the rate in bins of one set of rows, as a score of another set.

    Args:
        fit: (n,) values that the bins come from.
        fit_target: (n,) labels that their rates come from.
        score: (m,) values that are scored.
        score_target: (m,) labels.
    """
    edges = np.unique(np.quantile(fit, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, fit, side="right")
    total = np.bincount(bins, minlength=len(edges) + 1)
    positive = np.bincount(bins, weights=fit_target, minlength=len(edges) + 1)
    # One step at the overall rate: an empty bin is no evidence.
    rate = (positive + fit_target.mean()) / (total + 1)
    return float(roc_auc_score(score_target, rate[np.searchsorted(edges, score, side="right")]))


def _report(source: Source, leak: Leak, limit: float, words: str) -> None:
    advice = "keep this clock out of the inputs and show it as a baseline beside every model"
    if leak.clock == "since_milestone" and leak.failure_type == FailureType.TIMEOUT.name.lower():
        advice = (
            "a timeout is defined by that time, so this is expected; do not give it to a model, "
            "and show it as a baseline"
        )
    source.add(
        Severity.WARNING,
        f"leak_{leak.clock}",
        f"{words} alone predicts {leak.failure_type} within {leak.horizon} steps with AUROC "
        f"{leak.auroc:.3f} over the whole set (limit {limit})",
        advice,
        field=f"horizon_labels.{leak.failure_type}",
    )


def _signal_clocks(
    sources: list[Source], table: dict[str, NDArray[np.float64]]
) -> dict[str, float]:
    """Share of each signal's variance explained by the chunk phase; findings for clocks."""
    found = [usable_signals(source) for source in sources]
    if any(one is None for one in found) or len({tuple(one[1]) for one in found if one}) != 1:
        return {}
    signals = np.concatenate([one[0] for one in found if one])
    names = next(one[1] for one in found if one)
    phase_r2 = {}
    for k, name in enumerate(names):
        finite = np.isfinite(signals[:, k])
        elapsed = _explained(table["elapsed"][finite], signals[finite, k])
        if elapsed > CLOCK_R2:
            sources[0].add(
                Severity.WARNING,
                "signal_is_clock",
                f"elapsed time explains {elapsed:.3f} of the variance of {name}",
                "a signal that only counts steps gives the label away: remove it",
                field=f"signals.{name}",
            )
        rows = finite & (table["chunk_phase"] >= 0)
        if not rows.any():
            continue
        phase_r2[name] = _explained(table["chunk_phase"][rows], signals[rows, k])
        if phase_r2[name] > PHASE_R2:
            sources[0].add(
                Severity.WARNING,
                "signal_follows_phase",
                f"the chunk phase explains {phase_r2[name]:.3f} of the variance of {name}",
                "normalise the signal by phase, or compute it at the start of chunks only",
                field=f"signals.{name}",
            )
    return phase_r2


def _explained(group: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Adjusted R2 of the means of the groups, at most 1; 0 where nothing can be said.

    Without the adjustment, groups of a few values each would explain anything.
    """
    _, index = np.unique(group, return_inverse=True)
    count = np.bincount(index)
    freedom = len(values) - len(count)
    if freedom < 1 or np.ptp(values) == 0:
        return 0.0
    mean = np.bincount(index, weights=values) / count
    within = ((values - mean[index]) ** 2).sum() / freedom
    return float(1 - within / values.var(ddof=1, dtype=np.float64))
