"""Evaluate a model folder on stores: what `salus evaluate` does, without its terminal."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salus_data.errors import FormatError
from salus_predictor.evaluation.evaluate import Evaluation, Settings, evaluate
from salus_predictor.evaluation.figure import tree_to_json
from salus_predictor.evaluation.overlap import OverlapError, overlap
from salus_predictor.evaluation.protocol import describe, rules_json
from salus_predictor.evaluation.thresholds import Thresholds
from salus_predictor.model.folder import Model
from salus_predictor.model.reading import load_model
from salus_predictor.online.load import model_folder
from salus_predictor.steps import StepData


@dataclass(frozen=True)
class Result:
    """What an evaluation came to.

    Attributes:
        model: that was scored.
        folder: of the model.
        data: the test episodes.
        evaluation: of the model.
        beside: evaluations of further models on the same episodes.
        document: metrics.json.
        warnings: what a reader has to know first.
    """

    model: Model
    folder: Path
    data: StepData
    evaluation: Evaluation
    beside: tuple[Evaluation, ...]
    document: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def evaluate_model(
    model: str | Path,
    stores: Sequence[Path],
    *,
    far: float | None = None,
    beside: Sequence[Path] = (),
    baselines: Path | None = None,
    settings: Settings | None = None,
    allow_overlap: bool = False,
    command: str = "",
) -> Result:
    """Score a model folder, and others beside it, on the episodes of stores.

    Args:
        model: folder, or `shipped`.
        stores: test stores.
        far: take alarm thresholds anew for this false-alarm rate per success; None keeps the rate
            that the model was calibrated for.
        beside: further models, each a folder or `shipped`.
        baselines: benchmark.json on the same test episodes.
        settings: of the scoring.
        allow_overlap: score episodes that a model was fitted to, and say so.
        command: the command line, for the record.

    Raises:
        OverlapError: a model has seen one of the episodes.
        SalusError: a folder or a store cannot be read, or they do not fit together.
    """
    settings = settings or Settings()
    folder = model_folder(str(model))
    loaded = load_model(folder)
    second = [load_model(model_folder(str(other))) for other in beside]
    reads = any(m.predictor.embedding_size for m in (loaded, *second))
    data = StepData.read(stores, embedding=reads)
    warnings = _seen(loaded, data, str(folder), allow_overlap=allow_overlap)
    evaluation = score_model(loaded, data, far, settings)
    others = []
    for other, read in zip(beside, second, strict=True):
        warnings += _seen(read, data, str(other), allow_overlap=allow_overlap)
        others.append(score_model(read, data, far, settings, name=other.name))
    warnings += _doubts(loaded, data, evaluation)
    document = tree_to_json(evaluation.tree) | {
        "baselines": {
            **{other.name: tree_to_json(other.tree) for other in others},
            **(read_baselines(baselines, data) if baselines else {}),
        },
        "protocol": {
            "command": command,
            "model": describe_model(loaded, folder),
            "test": describe(data),
            "splits": "by episode; test seeds disjoint from training and validation seeds"
            if not any("has seen" in line for line in warnings)
            else "OVERLAPPING: the model has seen test episodes",
            "overlap": any("has seen" in line for line in warnings),
            "thresholds_source": evaluation.thresholds.source,
            "rules": rules_json(evaluation.rules, evaluation.thresholds, data.contract.step_period),
            "bootstrap": {
                "unit": "episode",
                "replicates": settings.replicates,
                "seed": settings.seed,
                "confidence": 0.95,
            },
            "warnings": warnings,
        },
    }
    return Result(loaded, folder, data, evaluation, tuple(others), document, warnings)


def score_model(
    model: Model, data: StepData, far: float | None, settings: Settings, name: str = ""
) -> Evaluation:
    """Score with the thresholds in the model's folder."""
    calibration = model.calibration
    if far is not None and not 0 < far < 1:
        raise FormatError(f"--far is {far}; give a share above 0 and below 1")
    thresholds = Thresholds(
        calibration.f1,
        calibration.alarm(far),
        far or calibration.alpha,
        f"{calibration.episodes} validation episodes of the model",
    )
    forecasts = model.predictor.predict(data)
    return evaluate(name or model.predictor.name, data, forecasts, thresholds, settings)


def describe_model(model: Model, folder: Path) -> dict[str, Any]:
    """What a reader wants to know of the model."""
    predictor = model.predictor
    return {
        "folder": str(folder),
        "model_id": model.model_id,
        "calibration_id": model.calibration_id,
        "kind": model.kind,
        "inputs": list(predictor.inputs),
        "with_time": predictor.with_time,
        "train_episodes": len(model.episodes.train),
        "validation_episodes": len(model.episodes.validation),
        "provenance": model.provenance.model_dump(),
    }


def read_baselines(path: Path, data: StepData) -> dict[str, Any]:
    """The baselines of a benchmark, if it was scored on the same episodes.

    Raises:
        FormatError: it is no benchmark, or one on other episodes.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found: dict[str, Any] = document["baselines"]
        test = document["protocol"]["test"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path}: not a benchmark.json: {error!r}") from error
    ours = describe(data)
    for key in ("episodes", "steps", "seeds", "endings"):
        if test.get(key) != ours[key]:
            raise FormatError(
                f"{path}: was scored on {key} {test.get(key)}, these stores have {ours[key]}; run "
                "`salus benchmark --test` with the same test stores"
            )
    missing = {f"{name}": {"not_run": why} for name, why in document.get("not_run", {}).items()}
    return found | missing


def _seen(model: Model, data: StepData, name: str, *, allow_overlap: bool) -> list[str]:
    known = overlap(data, (*model.episodes.train, *model.episodes.validation))
    if not known:
        return []
    text = (
        f"{name} has seen {len(known)} of the {len(data)} episodes in training or validation "
        f"(first: {known[0]})"
    )
    if not allow_overlap:
        raise OverlapError(
            f"{text}; collect test episodes with another --seed, or mark the result with "
            "--allow-overlap"
        )
    return [f"{text}: the figures are too good"]


def _doubts(model: Model, data: StepData, evaluation: Evaluation) -> list[str]:
    lines = []
    provenance = model.provenance
    lines += [f"the model was trained with a leak allowed: {x}" for x in provenance.leaks_allowed]
    lines += [f"the model was forced past a refusal: {x}" for x in provenance.forced]
    sources = {record.event_source for record in data.records} - {"physics", "human"}
    if sources:
        lines.append(f"events of the test episodes are {', '.join(sorted(sources))}, not observed")
    policy = (data.contract.policy, data.contract.policy_digest)
    if policy not in [tuple(known) for known in model.calibration.policies]:
        lines.append(
            f"the episodes are of policy {policy[0] or 'unknown'} {policy[1]}, which the model was "
            "not calibrated on: the false-alarm rate is not promised"
        )
    if evaluation.cells.absent:
        lines.append(
            f"no step before a {' or '.join(evaluation.cells.absent)} in the test episodes: means "
            "over types leave them out"
        )
    if not all(v < float("inf") for v in evaluation.thresholds.alarm):
        lines.append("too few successes at calibration for a finite alarm threshold of every type")
    return lines
