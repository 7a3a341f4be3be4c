"""Tables of the report, as rows of text."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from salus_predictor.evaluation.event import confusion
from salus_predictor.evaluation.protocol import later_key
from salus_predictor.evaluation.run import Result

Json = Mapping[str, Any]

SIGNALS_SHOWN: Final = 4
"""Best single signals in the comparison; all of them stand in metrics.json."""

LABELS: Final = {
    "always_negative": "always negative",
    "base_rate": "base rate",
    "elapsed_time": "elapsed time alone",
    "since_milestone": "time since milestone alone",
    "chunk_phase": "chunk phase alone",
    "epistemic_alone": "epistemic uncertainty alone",
    "ensemble_variance": "ensemble variance",
    "stac": "STAC",
    "stac_single": "STAC-single",
    "mahalanobis": "Mahalanobis, embedding",
    "knn": "kNN, embedding",
    "mahalanobis_signals": "Mahalanobis, signals",
    "knn_signals": "kNN, signals",
    "rnd": "RND, embedding",
    "logpzo": "logpZO, embedding",
    "rnd_signals": "RND, signals",
    "logpzo_signals": "logpZO, signals",
    "safe_mlp": "SAFE-style MLP, embedding",
    "safe_mlp_signals": "SAFE-style MLP, signals",
    "safe_lstm": "SAFE-style LSTM, embedding",
    "safe_lstm_signals": "SAFE-style LSTM, signals",
    "actprobe_lstm": "ActProbe-style LSTM",
    "logistic_windows": "logistic regression, windows",
    "boosted_windows": "boosted trees, windows",
}


def label_of(name: str) -> str:
    """How a table calls a predictor."""
    return LABELS.get(name, name.replace("signal:", "signal "))


def headline(document: Json) -> Json:
    """The step-level means that lead the report."""
    step: Json = document["step"]
    found: Json = step.get(later_key(step), step["macro"])
    return found


def by_type(document: Json) -> Json:
    """The same for each type."""
    step = document["step"]
    found: Json = step.get(later_key(step).replace("macro", "by_type"), step["by_type"])
    return found


def comparison_rows(result: Result, metric: str) -> list[tuple[str, float, float, float, bool]]:
    """Name, value, low, high and whether it is the model, the best first."""
    rows: list[tuple[str, float, float, float, bool]] = []
    signals: list[tuple[str, float, float, float, bool]] = []
    for name, tree in _predictors(result):
        figures = headline(tree)
        value = figures.get(metric)
        if value is None:
            continue
        low, high = figures.get(f"{metric}_ci") or (value, value)
        row = (label_of(name), value, low, high, name == result.evaluation.name)
        (signals if name.startswith("signal:") else rows).append(row)
    signals.sort(key=lambda row: -row[1])
    return sorted(rows + signals[:SIGNALS_SHOWN], key=lambda row: -row[1])


def comparison_table(result: Result) -> list[dict[str, Any]]:
    """One row a predictor with its main figures, in the order of AP."""
    rows = [
        {
            "name": label_of(name),
            "is_model": name == result.evaluation.name,
            "step": headline(tree),
            "event": tree["event"],
            "episode": tree["episode"],
        }
        for name, tree in _predictors(result)
        if not name.startswith("signal:")
    ]
    return sorted(rows, key=lambda row: -(row["step"].get("ap") or 0))


def not_run(result: Result) -> dict[str, str]:
    """Baselines that the data did not allow, and why."""
    return {
        label_of(name): tree["not_run"]
        for name, tree in result.document["baselines"].items()
        if "not_run" in tree
    }


def confusion_rows(result: Result) -> list[dict[str, Any]]:
    """Rows of the confusion table with the shares that colour it."""
    types = result.data.contract.failure_types
    table = confusion(result.evaluation.alarms, len(types))
    total = np.maximum(table.sum(axis=1, keepdims=True), 1)
    return [
        {
            "name": name,
            "total": int(table[i].sum()),
            "cells": [
                {"count": int(n), "share": float(s), "right": i == j}
                for j, (n, s) in enumerate(zip(table[i], table[i] / total[i], strict=True))
            ],
        }
        for i, name in enumerate(("success", *types))
    ]


def _predictors(result: Result) -> list[tuple[str, Json]]:
    model = [(result.evaluation.name, result.document)]
    others = [(n, t) for n, t in result.document["baselines"].items() if "not_run" not in t]
    return model + others
