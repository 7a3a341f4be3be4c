"""From scores to one table: AUC at every cut, with intervals, in pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_predictor.studies.pi0_libero.episodes import CUTS, Episodes
from salus_predictor.studies.pi0_libero.scores import (
    MEASURES,
    bootstrap_weights,
    pair_wins,
    pooled_auc,
    within_auc,
)

DRAWS: Final = 1000
LEVEL: Final = (2.5, 97.5)

Scores = Mapping[str, NDArray[np.float64]]
"""(splits, cuts, E) by name of the entry; NaN where the episode is not in the split's test set."""


@dataclass(frozen=True)
class Cell:
    """One figure: mean over the splits, its 95 % interval, and by how much it leads ActProbe."""

    protocol: str
    cut: float
    measure: str
    entry: str
    auc: float
    low: float
    high: float
    lead: float
    lead_low: float
    lead_high: float

    def to_json(self) -> dict[str, Any]:
        """The figure as plain data."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in vars(self).items()}


def cells(episodes: Episodes, protocol: str, scores: Scores, reference: str) -> list[Cell]:
    """All figures of one protocol; the bootstrap draws are the same for every entry."""
    weights = bootstrap_weights(episodes.ids, episodes.failed, episodes.task, draws=DRAWS)
    found = []
    for c, cut in enumerate(CUTS):
        for measure in MEASURES:
            points = {name: _point(episodes, s[:, c], measure) for name, s in scores.items()}
            draws = {
                name: np.mean([_draws(episodes, one, weights, measure) for one in s[:, c]], axis=0)
                for name, s in scores.items()
            }
            for name in scores:
                low, high = np.nanpercentile(draws[name], LEVEL)
                behind, ahead = np.nanpercentile(draws[name] - draws[reference], LEVEL)
                found.append(
                    Cell(
                        protocol,
                        cut,
                        measure,
                        name,
                        points[name],
                        float(low),
                        float(high),
                        points[name] - points[reference],
                        float(behind),
                        float(ahead),
                    )
                )
    return found


def _point(episodes: Episodes, scores: NDArray[np.float64], measure: str) -> float:
    values = []
    for one in scores:
        test = np.flatnonzero(~np.isnan(one))
        failed, task = episodes.failed[test], episodes.task[test]
        values.append(
            pooled_auc(one[test], failed)
            if measure == "pooled"
            else within_auc(one[test], failed, task)
        )
    return float(np.mean(values))


def _draws(
    episodes: Episodes, score: NDArray[np.float64], weights: NDArray[np.int64], measure: str
) -> NDArray[np.float64]:
    """(draws,) of one split."""
    test = np.flatnonzero(~np.isnan(score))
    if measure == "pooled":
        return _weighted(score[test], episodes.failed[test], weights[:, test])
    parts = []
    for k in np.unique(episodes.task[test]):
        mine = test[episodes.task[test] == k]
        if episodes.failed[mine].any() and not episodes.failed[mine].all():
            parts.append(_weighted(score[mine], episodes.failed[mine], weights[:, mine]))
    table = np.stack(parts)
    count = (~np.isnan(table)).sum(axis=0)
    total = np.nansum(table, axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _weighted(
    score: NDArray[np.float64], failed: NDArray[np.bool_], weights: NDArray[np.int64]
) -> NDArray[np.float64]:
    bad, good = weights[:, failed].astype(np.float64), weights[:, ~failed].astype(np.float64)
    pairs = bad.sum(axis=1) * good.sum(axis=1)
    won = ((bad @ pair_wins(score, failed)) * good).sum(axis=1)
    return np.where(pairs > 0, won / np.maximum(pairs, 1), np.nan)


def markdown(found: list[Cell], protocol: str) -> str:
    """One table: a row an entry, pooled and within-task AUC at every cut, intervals in brackets."""
    heads = [f"q={cut:g} {measure}" for cut in CUTS for measure in MEASURES]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    mine = [cell for cell in found if cell.protocol == protocol]
    for entry in dict.fromkeys(cell.entry for cell in mine):
        row = [c for c in mine if c.entry == entry]
        texts = [f"{c.auc:.3f} [{c.low:.3f}, {c.high:.3f}]" for c in row]
        lines.append(f"| {entry} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def leads(found: list[Cell], protocol: str, entry: str) -> str:
    """By how much an entry leads the reference, with paired intervals."""
    return "\n".join(
        f"| q={c.cut:g} {c.measure} | {c.lead:+.3f} [{c.lead_low:+.3f}, {c.lead_high:+.3f}] |"
        for c in found
        if c.protocol == protocol and c.entry == entry
    )
