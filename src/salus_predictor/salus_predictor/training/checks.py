"""Refusals: before the first step from the data, after the first epochs from what is learnt."""

import numpy as np
from numpy.typing import NDArray

from salus_data.doctor import Report, Severity
from salus_data.types import Outcome
from salus_predictor.model.hazards import UNKNOWN_OUTCOME
from salus_predictor.steps import StepData
from salus_predictor.training.examples import Examples
from salus_predictor.training.listener import EpochReport
from salus_predictor.training.metrics import Watched
from salus_predictor.training.refusals import RefusedError

Array = NDArray[np.float64]

CONSTANT = 1e-6
"""Range of probabilities over all validation rows below which they are constant."""

RAISED = 1.5
"""A type counts as predicted where its probability rises above its base rate by this factor."""

BETTER = 1.05
"""Factor above chance F1 that a model must reach somewhere."""


def leaks_of(report: Report, inputs: tuple[str, ...]) -> list[str]:
    """The doctor's leaks that matter for a model with these inputs, one line each.

    That the time since a milestone predicts a timeout is no leak: it is its definition, and that
    time is no input.
    """
    lines = []
    for finding in report.of(Severity.WARNING):
        expected = finding.code == "leak_since_milestone" and finding.field.endswith(".timeout")
        if finding.code.startswith("leak_") and not expected:
            lines.append(f"{finding.code}: {finding.message}")
        about = finding.field.removeprefix("signals.")
        if finding.code in ("signal_is_clock", "signal_follows_phase") and about in inputs:
            lines.append(f"{finding.code}: {finding.message}")
    return lines


def errors_of(report: Report, *, dated: bool) -> list[str]:
    """What makes the data unsound, one line each.

    Where no failure is dated no label is ever valid, so that there can be no positive ones.
    """
    return [
        f"{finding.code}: {finding.message} [{finding.place}]; {finding.advice}"
        for finding in report.of(Severity.ERROR)
        if dated or finding.code not in ("positive_ratio", "labels_all_zero")
    ]


def is_dated(data: StepData) -> bool:
    """Whether the labels are about when failures come; else only the outcome can be learnt.

    Failures of unknown date make no label valid, but the successes beside them do: every step of a
    success is a known negative. So the failures decide.
    """
    failures = [record for record in data.records if record.outcome is Outcome.FAILURE]
    if failures:
        return any(record.onset_step >= 0 for record in failures)
    return bool(data.valid.any())


def check_learnable(train: Examples, validation: Examples) -> list[str]:
    """Reasons why nothing can be learnt from this split."""
    types = train.data.contract.failure_types
    if not is_dated(train.data):
        return [
            f"the {side} episodes have only one outcome: both are needed"
            for side, examples in (("training", train), ("validation", validation))
            if len(np.unique(_asked(examples))) < 2
        ]
    reasons = []
    for side, examples in (("training", train), ("validation", validation)):
        failures = examples.failures()
        if not failures.any():
            reasons.append(
                f"no positive label among the {side} episodes ({len(examples.data)} episodes): "
                "run salus doctor, then salus relabel, or collect failures"
            )
        elif missing := [name for name, n in zip(types, failures, strict=True) if not n]:
            reasons.append(
                f"no {side} episode has a positive label of {', '.join(missing)}: collect more of "
                "them, or choose another --seed or --validation"
            )
    return reasons


def check_test_seeds(train: StepData, test: StepData) -> list[str]:
    """A reason where test episodes have seeds that are trained on."""
    trained = {record.seed for record in train.records}
    shared = [record.id for record in test.records if record.seed in trained]
    if not shared:
        return []
    return [
        f"{len(shared)} test episodes ({shared[0]}, ...) have seeds that are among those given for "
        "training: collect test episodes with another --seed"
    ]


def constant_outputs(predictions: Array) -> list[str]:
    """A reason where no prediction depends on the signals; `predictions` as in EpochReport."""
    low, high = predictions[:, 0], predictions[:, -1]
    if (high - low >= CONSTANT).any():
        return []
    return [
        f"every prediction is {high.max():.4f}, whatever the signals: check that the inputs vary "
        "(salus doctor) and that the learning rate is not too high"
    ]


def worthless(
    train: Examples, watched: Watched, report: EpochReport, first_loss: float
) -> list[str]:
    """Reasons why what is predicted cannot be a result.

    Outputs are constant, a type is never predicted, or the loss falls while F1 stays at chance.
    """
    if reasons := constant_outputs(report.predictions):
        return reasons
    high, rates = report.predictions[:, -1], train.base_rates()
    for c, name in enumerate(train.data.contract.failure_types):
        if high[c] < RAISED * rates[c]:
            reasons.append(
                f"{name} is never predicted: its highest probability is {high[c]:.4f}, its base "
                f"rate {rates[c]:.4f}: check its labels, and that there are enough episodes of it"
            )
    known = np.isfinite(watched.f1)
    if known.any() and not (watched.f1[known] > BETTER * watched.chance[known]).any():
        loss = ""
        if np.isfinite(first_loss):
            moved = "fell" if report.loss < first_loss else "rose"
            loss = f"the loss {moved} from {first_loss:.4f} to {report.loss:.4f} while "
        reasons.append(
            f"{loss}F1 stays at {watched.macro_f1:.3f}, what calling every step a failure gives "
            f"({np.nanmean(watched.chance):.3f}): check that the labels belong to these signals "
            "(salus relabel) and that no type is shifted"
        )
    return reasons


def refuse(reasons: list[str], *, force: bool, forced: list[str] | None = None) -> None:
    """Refuse for these reasons, if any; with `force` they are noted in `forced` instead.

    Raises:
        RefusedError: there are reasons.
    """
    if reasons and not force:
        raise RefusedError(reasons)
    if forced is not None:
        forced += reasons


def _asked(examples: Examples) -> NDArray[np.int64]:
    outcome = examples.targets.outcome
    asked: NDArray[np.int64] = outcome[outcome != UNKNOWN_OUTCOME]
    return asked
