"""Trains and scores one model of the study, and keeps what came out beside what it was made of."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from salus_data.errors import ContractMismatchError
from salus_predictor.baselines.base import MissingInputError
from salus_predictor.calibration.conformal import channels, highest_risks, success_risks
from salus_predictor.evaluation.alarms import AlarmRules, episode_alarms
from salus_predictor.evaluation.benchmark import Split, score
from salus_predictor.evaluation.bootstrap import episode_weights
from salus_predictor.evaluation.evaluate import Evaluation, Settings, evaluate
from salus_predictor.evaluation.event import event_metrics
from salus_predictor.evaluation.figure import tree_to_json
from salus_predictor.evaluation.protocol import headline_macro, write_json
from salus_predictor.evaluation.thresholds import Thresholds, alarm_thresholds
from salus_predictor.model.base import Forecasts, Recipe
from salus_predictor.model.predictor import HazardPredictor
from salus_predictor.steps import StepData
from salus_predictor.studies.simulation.plan import Job, families, training_part, with_family
from salus_predictor.training.checks import check_test_seeds
from salus_predictor.training.fit import fit_predictor
from salus_predictor.training.metrics import watch
from salus_predictor.training.refusals import RefusedError
from salus_predictor.training.split import split_by_seed

VALIDATION: Final = 0.2
RATES: Final = (0.1, 0.2)
"""False-alarm rates per success at which events are scored, beside that of the study."""

PAIRED: Final = ("f1", "precision", "recall", "ap")
"""Headline figures whose bootstrap replicates are kept, for differences between models."""


def drawn_interval(drawn: Iterable[float | None]) -> list[float] | None:
    """95 % of a figure's bootstrap replicates; None where it was known in none of them."""
    values = np.array(list(drawn), float)
    known = values[np.isfinite(values)]
    return np.percentile(known, [2.5, 97.5]).tolist() if len(known) else None


@dataclass(frozen=True)
class Data:
    """What every run of a study shares.

    Attributes:
        train: episodes to train and validate on.
        test: episodes that are scored.
        digest: of both.
        far: false-alarm rate per successful episode that alarms are set to.
        replicates: of the bootstrap.
    """

    train: StepData
    test: StepData
    digest: str
    far: float
    replicates: int

    @property
    def settings(self) -> Settings:
        """Of the scoring of all test episodes."""
        return Settings(replicates=self.replicates)


@dataclass(frozen=True)
class Fitted:
    """A predictor, its validation episodes, and what it says on them and on the test episodes."""

    predictor: HazardPredictor
    held: StepData
    on_held: Forecasts
    on_test: Forecasts


def kept(path: Path, identity: dict[str, Any], make: Callable[[], dict[str, Any]]) -> Any:
    """What a file holds, if it was made of the same; else make it and write it."""
    if path.exists():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            found = {}
        if found.get("identity") == json.loads(json.dumps(identity)):
            return found
    began = time.perf_counter()
    made = make()
    made |= {"identity": identity, "seconds": round(time.perf_counter() - began, 1)}
    write_json(path, made)
    return json.loads(path.read_text(encoding="utf-8"))


def run_job(job: Job, data: Data) -> dict[str, Any]:
    """Train and score one model; a training that is refused says why under `refused`.

    So does one for which the data lacks signals.
    """
    part = training_part(data.train, job)
    counts = {"training_episodes": len(part)}
    if refused := check_test_seeds(part, data.test):
        return counts | {"refused": refused}
    try:
        train, held = (
            part.subset(side) for side in split_by_seed(part, VALIDATION, job.options.seed)
        )
        predictor = fit_predictor(train, held, job.options)
    except RefusedError as error:
        return counts | {"refused": error.reasons}
    except ContractMismatchError as error:
        return counts | {"refused": [str(error)]}
    fitted = Fitted(predictor, held, predictor.predict(held), predictor.predict(data.test))
    watched = watch(held, fitted.on_held.probability)
    risks = success_risks(data.test, fitted.on_test)
    return counts | {
        "inputs": list(predictor.inputs),
        "validation": {"macro_f1": watched.macro_f1, "macro_ap": watched.macro_ap},
        "sets": _sets(job, data, fitted),
        "events": {f"{far:g}": _events(data, fitted, far) for far in RATES},
        "success_scores": highest_risks(
            risks, len(channels(data.test.contract.failure_types))
        ).tolist(),
    }


def run_baseline(recipe: Recipe, data: Data, seed: int) -> dict[str, Any]:
    """Fit and score one baseline on the split of the first seed."""
    train, held = (data.train.subset(side) for side in split_by_seed(data.train, VALIDATION, seed))
    split = Split(train, held, data.test)
    try:
        predictor = recipe.fit(train, held, seed=seed)
    except MissingInputError as error:
        return {"not_run": f"lacks {error}"}
    settings = Settings(replicates=data.replicates, causes=False)
    return {"sets": {"all": _scored(score(predictor, split, data.far, settings))}}


def _sets(job: Job, data: Data, fitted: Fitted) -> dict[str, Any]:
    """Figures on all test episodes, and on those that have each family."""
    name, forecasts = fitted.predictor.name, fitted.on_test
    thresholds = Thresholds.choose(fitted.held, fitted.on_held, far=data.far)
    found = {"all": _scored(evaluate(name, data.test, forecasts, thresholds, data.settings))}
    for family in families(data.train, data.test):
        if job.without not in ("", family):
            continue
        chosen = with_family(data.test, family)
        rows = np.isin(data.test.episode_of_row, chosen)
        found[family] = _scored(
            evaluate(
                name,
                data.test.subset(chosen),
                Forecasts(forecasts.probability[rows], forecasts.outcome[rows]),
                thresholds,
                Settings(replicates=data.replicates, causes=False),
            ),
            whole=False,
        )
    return found


def _scored(evaluation: Evaluation, *, whole: bool = True) -> dict[str, Any]:
    """Figures as plain data; without `whole` the main ones only."""
    macro = headline_macro(evaluation.tree)
    headline = tree_to_json(macro)
    for metric in PAIRED:
        drawn = macro[metric].replicates
        headline[f"{metric}_drawn"] = (
            None
            if drawn is None
            else [float(v) if np.isfinite(v) else None for v in np.round(drawn, 5)]
        )
    event = tree_to_json(evaluation.tree["event"])
    tree = tree_to_json(evaluation.tree) if whole else {"event": {"all": event["all"]}}
    counts = {
        "episodes": len(evaluation.alarms.kind),
        "failures": int((evaluation.alarms.kind >= 0).sum()),
    }
    return counts | {"headline": headline, "tree": tree}


def _events(data: Data, fitted: Fitted, far: float) -> dict[str, Any]:
    """Events with alarms set to another rate."""
    alarm = alarm_thresholds(fitted.held, fitted.on_held, far)
    alarms = episode_alarms(data.test, fitted.on_test, alarm, AlarmRules.of(data.test))
    weights = episode_weights(len(data.test), data.replicates)
    return tree_to_json(event_metrics(data.test, alarms, weights))
