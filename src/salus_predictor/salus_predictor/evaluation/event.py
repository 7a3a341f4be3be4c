"""Event-level metrics: which failures were announced, how early, and how often in vain."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_predictor.evaluation.alarms import NONE, UNCOUNTED, EpisodeAlarms
from salus_predictor.evaluation.bootstrap import weighted_quantile
from salus_predictor.evaluation.figure import Figure
from salus_predictor.steps import StepData

Array = NDArray[np.float64]
Tree = dict[str, object]

HOUR: Final = 3600.0


def event_metrics(data: StepData, alarms: EpisodeAlarms, weights: Array) -> Tree:
    """The tree `event` of metrics.json.

    Args:
        data: E episodes.
        alarms: what happened in them.
        weights: (R, E).
    """
    types = data.contract.failure_types
    abrupt = np.array([record.abrupt for record in data.records], bool)
    failed = alarms.kind >= 0
    tree: Tree = {
        "by_type": {
            name: detection(alarms, alarms.kind == c, weights, f"no dated {name}")
            for c, name in enumerate(types)
        },
        "all": detection(alarms, failed, weights, "no dated failure"),
        "by_cause": {
            name: {
                "all": detection(alarms, failed & of_cause, weights, f"no {name} failure"),
                "by_type": {
                    kind: detection(
                        alarms, (alarms.kind == c) & of_cause, weights, f"no {name} {kind}"
                    )
                    for c, kind in enumerate(types)
                },
            }
            for name, of_cause in (("gradual", ~abrupt), ("abrupt", abrupt))
        },
    }
    return tree | false_alarms(data, alarms, weights)


def detection(
    alarms: EpisodeAlarms, chosen: NDArray[np.bool_], weights: Array, reason: str
) -> Tree:
    """Detected share and lead times of the chosen failures.

    `recall` asks for an alarm of the right type, `recall_any_type` for any alarm. Lead times are
    those of right alarms, in steps, of detected events only.
    """
    if not chosen.any():
        names = ("recall", "recall_any_type", "lead_median_steps", "lead_p10_steps")
        return {name: Figure.missing(reason) for name in names} | {"events": 0}
    w = weights[:, chosen]
    lead = alarms.lead[np.flatnonzero(chosen), alarms.kind[chosen]]
    found = lead > 0
    late = "no event was detected"
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "recall": Figure.of(w @ found / w.sum(axis=1)),
            "recall_any_type": Figure.of(w @ (alarms.lead_any[chosen] > 0) / w.sum(axis=1)),
            "lead_median_steps": Figure.of(
                weighted_quantile(lead[found].astype(float), w[:, found], 0.5), late
            ),
            "lead_p10_steps": Figure.of(
                weighted_quantile(lead[found].astype(float), w[:, found], 0.1), late
            ),
            "events": int(chosen.sum()),
        }


def false_alarms(data: StepData, alarms: EpisodeAlarms, weights: Array) -> Tree:
    """False alarm events per successful episode and per hour of robot time."""
    success, counted = alarms.kind == NONE, alarms.kind != UNCOUNTED
    hours = alarms.watched * data.contract.step_period / HOUR
    if not success.any():
        per_success = Figure.missing("no successful episode")
    else:
        w = weights[:, success]
        with np.errstate(invalid="ignore", divide="ignore"):
            per_success = Figure.of(w @ alarms.false[success] / w.sum(axis=1))
    if not counted.any():
        return {
            "false_alarms_per_success": per_success,
            "false_alarms_per_hour": Figure.missing("no episode with a known end"),
        }
    w = weights[:, counted]
    with np.errstate(invalid="ignore", divide="ignore"):
        per_hour = Figure.of(w @ alarms.false[counted] / (w @ hours[counted]))
    return {"false_alarms_per_success": per_success, "false_alarms_per_hour": per_hour}


def confusion(alarms: EpisodeAlarms, n_types: int) -> NDArray[np.int64]:
    """Episodes by what happened and what the first alarm said, (C + 1, C + 1).

    Rows: success, then the true types. Columns: no alarm, then the types said.
    """
    table = np.zeros((n_types + 1, n_types + 1), np.int64)
    counted = alarms.kind != UNCOUNTED
    np.add.at(table, (alarms.kind[counted] + 1, alarms.said[counted] + 1), 1)
    return table
