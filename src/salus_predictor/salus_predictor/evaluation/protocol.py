"""How figures came about, written beside them: splits, seeds, counts, thresholds' source."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from salus_data.types import Outcome
from salus_predictor.evaluation.alarms import AlarmRules
from salus_predictor.evaluation.benchmark import Benchmark, Split
from salus_predictor.evaluation.evaluate import LATER_HORIZONS
from salus_predictor.evaluation.figure import Figure, tree_to_json
from salus_predictor.evaluation.splits import split_episodes
from salus_predictor.evaluation.thresholds import Thresholds
from salus_predictor.steps import StepData

SHARES: Final = (0.6, 0.2, 0.2)
"""Training, validation and test, where no test stores are given."""


def split_of(data: StepData, test: StepData | None, seed: int) -> Split:
    """Split by episode; with test stores, all of `data` is for training and validation."""
    if test is None:
        parts = split_episodes(data, SHARES, seed=seed)
        return Split(*(data.subset(part) for part in parts))
    train, validation = split_episodes(data, (0.75, 0.25), seed=seed)
    return Split(data.subset(train), data.subset(validation), test)


def headline_macro(tree: Mapping[str, Any]) -> Mapping[str, Figure]:
    """The mean over the later horizons where the contract has them, else over all."""
    found: Mapping[str, Figure] = tree["step"].get(later_key(tree["step"]), tree["step"]["macro"])
    return found


def later_key(step: Mapping[str, Any]) -> str:
    """The name of the mean over the later horizons, such as `macro_10_15_20`."""
    wanted = [str(h) for h in LATER_HORIZONS if str(h) in step["by_horizon"]]
    return "_".join(["macro", *wanted])


def describe(data: StepData) -> dict[str, Any]:
    """Counts and seeds of a set of episodes."""
    endings = Counter(
        data.contract.failure_types[r.failure_type]
        if r.outcome is Outcome.FAILURE
        else r.outcome.name.lower()
        for r in data.records
    )
    seeds = [record.seed for record in data.records]
    return {
        "stores": list(data.sources),
        "episodes": len(data),
        "steps": data.n_rows,
        "endings": dict(sorted(endings.items())),
        "abrupt_failures": sum(r.abrupt and r.outcome is Outcome.FAILURE for r in data.records),
        "disturbances": dict(
            sorted(Counter(f for r in data.records for f in (r.disturbance or ("none",))).items())
        ),
        "seeds": {"lowest": min(seeds), "highest": max(seeds), "different": len(set(seeds))},
        "positive_cells": {
            kind: {
                str(h): int(((data.labels[:, i, c] > 0) & data.valid[:, i, c]).sum())
                for i, h in enumerate(data.contract.horizons)
            }
            for c, kind in enumerate(data.contract.failure_types)
        },
        "label_sources": sorted({record.event_source for record in data.records}),
    }


def rules_json(rules: AlarmRules, thresholds: Thresholds, period: float) -> dict[str, Any]:
    """The rules that decide what an alarm and a hit are."""
    return {
        "alarm": "probability at the longest horizon above the type's threshold",
        "hit": "an alarm at a step t with reaction <= event - t <= horizon",
        "horizon_steps": rules.horizon,
        "reaction_steps": rules.reaction,
        "clear_steps": rules.clear,
        "step_period_s": period,
        "thresholds": thresholds.to_json(),
    }


def benchmark_json(
    result: Benchmark, split: Split, *, seed: int, replicates: int
) -> dict[str, Any]:
    """The whole benchmark as JSON."""
    return {
        "baselines": {
            name: tree_to_json(evaluation.tree)
            | {
                "seconds": round(result.seconds[name], 3),
                "thresholds": evaluation.thresholds.to_json(),
            }
            for name, evaluation in result.evaluations.items()
        },
        "not_run": result.not_run,
        "protocol": {
            "train": describe(split.train),
            "validation": describe(split.validation),
            "test": describe(split.test),
            "seed": seed,
            "thresholds_source": "validation",
            "bootstrap": {"unit": "episode", "replicates": replicates, "confidence": 0.95},
        },
    }


def write_json(path: Path, document: Mapping[str, Any]) -> Path:
    """Write JSON without NaN; the file is replaced at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(
        json.dumps(document, indent=1, allow_nan=False, default=_plain) + "\n", encoding="utf-8"
    )
    partial.replace(path)
    return path


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} in metrics")
