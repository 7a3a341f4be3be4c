"""Where the errors lie: the steps of one cell (horizon and type) sorted by what went wrong.

Positive steps, of which a forecast should say that the failure comes within the horizon:

- found;
- missed, with an abrupt cause (`EpisodeRecord.abrupt`);
- missed, in a failure that was found at another step of the same cell: too late, or with a gap;
- missed, in a failure that was found at no step of the cell.

Predicted steps, of which a forecast said so:

- found, as above;
- false, in an episode that succeeded;
- false, before that very failure, but earlier than the horizon;
- false, before a failure of another type;
- false, in an episode that was cut off or stopped.

Only valid steps count. Every positive step is in one part of the first list and every predicted one
in one of the second, so the parts sum to the confusion counts of the cell.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.types import Outcome
from salus_predictor.evaluation.figure import Figure
from salus_predictor.evaluation.step import is_predicted
from salus_predictor.steps import StepData

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FOUND: Final = "found"
MISSED: Final = ("missed_abrupt", "missed_found_elsewhere", "missed_never_found")
FALSE: Final = ("false_success", "false_early", "false_other_failure", "false_cut_off")


def error_parts(
    data: StepData, probability: Array, threshold: float, h: int, c: int
) -> dict[str, Mask]:
    """Which steps of one cell belong to each part.

    Args:
        data: N rows.
        probability: (N, H, C).
        threshold: at or above it a step is predicted.
        h: number of the horizon.
        c: number of the type.

    Returns:
        (N,) by part: FOUND, MISSED and FALSE. No step is in two of them.
    """
    valid, label = data.valid[:, h, c], data.labels[:, h, c] > 0
    predicted = is_predicted(probability[:, h, c], threshold) & valid
    missed, false = valid & label & ~predicted, predicted & ~label
    found = predicted & label
    episode = data.episode_of_row
    abrupt = np.array([record.abrupt for record in data.records], bool)[episode]
    ever = (np.bincount(episode, found, len(data)) > 0)[episode]
    success = _outcome(data, Outcome.SUCCESS)[episode]
    failed = _outcome(data, Outcome.FAILURE)[episode]
    same = np.array([record.failure_type == c for record in data.records], bool)[episode]
    return {
        FOUND: found,
        "missed_abrupt": missed & abrupt,
        "missed_found_elsewhere": missed & ~abrupt & ever,
        "missed_never_found": missed & ~abrupt & ~ever,
        "false_success": false & success,
        "false_early": false & failed & same,
        "false_other_failure": false & failed & ~same,
        "false_cut_off": false & ~success & ~failed,
    }


def error_tree(
    data: StepData,
    probability: Array,
    thresholds: Array,
    weights: Array,
    horizons: tuple[int, ...],
) -> dict[str, Any]:
    """How many steps belong to each part, by type, over several horizons.

    Args:
        data: E episodes, N rows.
        probability: (N, H, C).
        thresholds: (H, C).
        weights: (R, E) of the bootstrap.
        horizons: [steps] of the contract; a step counts once for each.

    Returns:
        `horizons`; `by_type.<type>` and `all`, each with `positives` and `predicted` (steps), and
        for each part `steps` and `share`: of the positives for FOUND and MISSED, of the predicted
        for `hits` (the same steps as FOUND) and FALSE. Shares are means over the horizons, in `all`
        over the types that occur, too: so the share of FOUND is the mean recall, that of `hits` the
        mean precision.
    """
    types = data.contract.failure_types
    rows = [data.contract.horizons.index(h) for h in horizons]
    by_type: dict[str, Any] = {}
    shares: list[dict[str, Array]] = []
    for c, name in enumerate(types):
        cells = [_counts(data, probability, float(thresholds[h, c]), weights, h, c) for h in rows]
        share = {part: np.mean([_shares(cell)[part] for cell in cells], axis=0) for part in _PARTS}
        steps = {
            part: int(sum(cell[part][0] for cell in cells)) for part in (FOUND, *MISSED, *FALSE)
        }
        if sum(steps[part] for part in (FOUND, *MISSED)):
            shares.append(share)
        by_type[name] = _node(steps, share, f"no step before a {name}")
    total = {
        part: sum(int(node[part]["steps"]) for node in by_type.values())
        for part in (FOUND, *MISSED, *FALSE)
    }
    mean = {
        part: np.mean([share[part] for share in shares], axis=0)
        if shares
        else np.full(len(weights), np.nan)
        for part in _PARTS
    }
    return {
        "horizons": list(horizons),
        "by_type": by_type,
        "all": _node(total, mean, "no step before any failure"),
    }


_HITS: Final = "hits"
_PARTS: Final = (FOUND, *MISSED, _HITS, *FALSE)


def _outcome(data: StepData, outcome: Outcome) -> Mask:
    return np.array([record.outcome is outcome for record in data.records], bool)


def _counts(
    data: StepData, probability: Array, threshold: float, weights: Array, h: int, c: int
) -> dict[str, Array]:
    """Steps of every part under every weighting, (R,)."""
    episode = data.episode_of_row
    return {
        part: weights @ np.bincount(episode, mask, len(data)).astype(np.float64)
        for part, mask in error_parts(data, probability, threshold, h, c).items()
    }


def _shares(counts: dict[str, Array]) -> dict[str, Array]:
    """Shares (R,) of the positives, NaN without any, and of the predicted, 0 without any."""
    positives = sum((counts[part] for part in (FOUND, *MISSED)), np.zeros(1))
    predicted = sum((counts[part] for part in (FOUND, *FALSE)), np.zeros(1))
    occurs = positives > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        of_positives = {part: counts[part] / positives for part in (FOUND, *MISSED)}
        of_predicted = {
            part: np.where(occurs, np.where(predicted > 0, counts[source] / predicted, 0.0), np.nan)
            for part, source in ((_HITS, FOUND), *zip(FALSE, FALSE, strict=True))
        }
    return of_positives | of_predicted


def _node(steps: dict[str, int], share: dict[str, Array], reason: str) -> dict[str, Any]:
    return {
        "positives": sum(steps[part] for part in (FOUND, *MISSED)),
        "predicted": sum(steps[part] for part in (FOUND, *FALSE)),
    } | {
        part: {
            "steps": steps[FOUND if part == _HITS else part],
            "share": Figure.of(share[part], reason),
        }
        for part in _PARTS
    }
