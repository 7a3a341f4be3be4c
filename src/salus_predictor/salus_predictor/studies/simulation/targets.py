"""What was asked for, beside what came out."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

MACRO: Final = {"f1": 0.70, "precision": 0.75, "recall": 0.70, "brier_skill": 0.35}
"""Least figures of the mean over types and the later horizons."""

TYPE_GOAL, TYPE_FLOOR = 0.65, 0.55
ECE: Final = 0.01
DETECTED: Final = 0.85
LEAD: Final = 10.0
FALSE_ALARMS: Final = 0.2
RATE_GAP: Final = 0.03


def targets(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each aim with its value, the mean over the seeds, and whether it is met."""
    main = [
        job
        for job in document["jobs"].values()
        if job["section"] == "seeds" and "refused" not in job
    ]
    if not main:
        return []
    trees = [job["sets"]["all"]["tree"] for job in main]
    heads = [job["sets"]["all"]["headline"] for job in main]
    rows = [
        _row(f"macro {name}", mean(h[name] for h in heads), least=v) for name, v in MACRO.items()
    ]
    rows.append(_row("macro ECE", mean(h["ece"] for h in heads), most=ECE))
    key = later(trees[0]["step"], "by_type")
    for kind in trees[0]["step"][key]:
        value = mean(tree["step"][key][kind]["f1"] for tree in trees)
        rows.append(_row(f"F1 of {kind}, goal", value, least=TYPE_GOAL))
        rows.append(_row(f"F1 of {kind}, floor", value, least=TYPE_FLOOR))
    events = [job["events"][f"{FALSE_ALARMS:g}"] for job in main]
    rows.append(
        _row(
            "false alarms per successful episode",
            mean(event["false_alarms_per_success"] for event in events),
            most=FALSE_ALARMS,
        )
    )
    for kind in events[0]["by_type"]:
        found = mean(event["by_type"][kind]["recall"] for event in events)
        rows.append(_row(f"{kind} detected", found, least=DETECTED))
        lead = mean(
            event["by_cause"]["gradual"]["by_type"][kind]["lead_median_steps"] for event in events
        )
        rows.append(_row(f"median lead of {kind}, gradual cause [steps]", lead, least=LEAD))
    if rates := document["false_alarms"]:
        for alpha, kinds in rates["rates"].items():
            rows += [
                _row(f"|realised - nominal| at {alpha}, {name}", kinds[name]["gap"], most=RATE_GAP)
                for name in ("any", "types")
            ]
    return rows


def later(step: Mapping[str, Any], name: str) -> str:
    """The key of the means over the later horizons where there are any, such as `macro_10_15`."""
    longer = [key for key in step if key.startswith(f"{name}_") and key[len(name) + 1].isdigit()]
    return longer[0] if longer else name


def mean(values: Any) -> float | None:
    """Mean of those that are known; None without any."""
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def _row(
    what: str, value: float | None, *, least: float | None = None, most: float | None = None
) -> dict[str, Any]:
    met = None
    if value is not None:
        met = (least is None or value >= least) and (most is None or value <= most)
    return {"what": what, "value": value, "least": least, "most": most, "met": met}
