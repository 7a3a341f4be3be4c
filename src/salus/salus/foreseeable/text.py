"""The study as tables in Markdown."""

from collections.abc import Mapping
from typing import Any

from salus_predictor.studies.simulation.markdown import interval, number, table

Json = Mapping[str, Any]


def markdown(document: Json) -> str:
    """The tables: the bound by type and horizon, a model beside it, and every family."""
    horizons = ", ".join(map(str, document["horizons"]))
    parts = [f"Bound by knowledge, mean over horizons of {horizons} steps:", _bound(document)]
    if _scored(document):
        parts += ["The model beside it, the same steps:", _beside(document)]
    parts += ["By horizon, all types:", _by_horizon(document)]
    parts += ["Failures with one family, or none, or several:", _families(document), ""]
    return "\n\n".join(parts)


def _scored(document: Json) -> bool:
    return "f1" in document["all"]


def _named(document: Json) -> list[tuple[str, Json]]:
    return [*document["by_type"].items(), ("all", document["all"])]


def _bound(document: Json) -> str:
    heads = ["", "steps before it", "foreseeable", "recall at most", "F1 at most"]
    heads += ["recall at most, by the latest cause", "F1 at most, by the latest cause"]
    strict = dict(_named(document["latest_cause"]))
    rows = [
        (
            name,
            f"{node['positives']:,}",
            f"{node['foreseeable']:,}",
            interval(node, "recall_bound"),
            interval(node, "f1_bound"),
            interval(strict[name], "recall_bound"),
            interval(strict[name], "f1_bound"),
        )
        for name, node in _named(document)
    ]
    return table(heads, rows)


MODEL = {
    "f1": "F1",
    "f1_foreseeable": "F1, foreseeable steps",
    "recall": "recall",
    "recall_foreseeable": "recall, foreseeable steps",
    "recall_before": "recall, steps before",
}


def _beside(document: Json) -> str:
    named = [*_named(document), ("all, by the latest cause", document["latest_cause"]["all"])]
    rows = [(name, *(interval(node, key) for key in MODEL)) for name, node in named]
    return table(("", *MODEL.values()), rows)


def _by_horizon(document: Json) -> str:
    heads = ["", "recall at most", "F1 at most", *(["F1 of the model"] * _scored(document))]
    keys = ["recall_bound", "f1_bound", *(["f1"] * _scored(document))]
    rows = [
        (f"{h} steps", *(interval(node, key) for key in keys))
        for h, node in document["by_horizon"].items()
    ]
    return table(heads, rows)


def _families(document: Json) -> str:
    scored = _scored(document)
    heads = ["", "failures", "steps from the first sign", "foreseeable share"]
    heads += ["recall, foreseeable", "recall, before"] * scored + ["can be seen"]
    rows = []
    for name, node in document["by_family"].items():
        cells = [name, str(node["failures"]), number(node["lead_median_steps"], 0)]
        cells.append(interval(node, "share"))
        if scored:
            cells += [number(node["recall_foreseeable"]), number(node["recall_before"])]
        rows.append([*cells, node["rule"]])
    return table(heads, rows)
