"""Runs what is not there yet, compares, and makes one document; an interrupted study goes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from salus_predictor.baselines.registry import baselines
from salus_predictor.evaluation.overlap import require_new_episodes
from salus_predictor.evaluation.protocol import describe
from salus_predictor.steps import StepData
from salus_predictor.studies.simulation.plan import Job, Plan, families
from salus_predictor.studies.simulation.rates import FEWEST, resplit_rates
from salus_predictor.studies.simulation.runs import (
    PAIRED,
    Data,
    drawn_interval,
    kept,
    run_baseline,
    run_job,
)
from salus_predictor.training.run import data_digest

VERSION: Final = 1
"""Of what a run keeps; another one is run again."""

Runs = Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """One study.

    Attributes:
        train, test: stores; no test episode may have a seed of training.
        plan: what is trained.
        far: false-alarm rate per successful episode that alarms are set to.
        replicates: of the bootstrap.
    """

    train: Sequence[Path]
    test: Sequence[Path]
    plan: Plan
    far: float = 0.2
    replicates: int = 100


def run_study(
    study: Study,
    out: Path,
    *,
    on_plan: Callable[[int], None] = lambda _: None,
    on_start: Callable[[str], None] = lambda _: None,
    on_done: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Run every job of the plan that `out` does not hold, and put all of them together.

    Raises:
        OverlapError: a test episode has a seed of training.
        SalusError: the stores cannot be read or learnt from.
    """
    plan = study.plan
    train = StepData.read(study.train, embedding=True)
    test = StepData.read(study.test, embedding=True)
    require_new_episodes(test, train, "the test stores", "the training stores")
    digest = f"{data_digest(train)}-{data_digest(test)}"
    data = Data(train, test, digest, study.far, study.replicates)
    jobs = plan.jobs(train, test)
    recipes = baselines(train.signal_names) if "baselines" in plan.sections else []
    on_plan(len(jobs) + len(recipes))
    common = {"version": VERSION, "data": digest, "far": study.far, "replicates": study.replicates}
    runs: dict[str, Any] = {}
    for job in jobs:
        on_start(job.name)
        identity = common | {
            "options": job.options.to_json(),
            "without": job.without,
            "share": job.share,
        }
        runs[job.name] = kept(
            out / "runs" / f"{job.name}.json", identity, partial(run_job, job, data)
        )
        on_done(job.name)
    beside: dict[str, Any] = {}
    for recipe in recipes:
        on_start(recipe.name)
        path = out / "runs" / f"baseline-{recipe.name.replace(':', '-')}.json"
        identity = common | {"baseline": recipe.name, "seed": plan.seeds[0]}
        beside[recipe.name] = kept(
            path, identity, partial(run_baseline, recipe, data, plan.seeds[0])
        )
        on_done(recipe.name)
    return document(study, data, jobs, runs, beside)


def document(
    study: Study, data: Data, jobs: Sequence[Job], runs: Runs, beside: Runs
) -> dict[str, Any]:
    """The figures of all runs, and the differences between them."""
    plan = study.plan
    full = plan.full().name
    main = [runs[job.name] for job in jobs if job.section == "seeds"]
    scores = np.array(main[0].get("success_scores", [])) if main else np.empty(0)
    return {
        "jobs": {
            job.name: {
                "section": job.section,
                "options": job.options.to_json(),
                "without": job.without,
                "share": job.share,
                **{k: v for k, v in runs[job.name].items() if k not in ("identity", "options")},
            }
            for job in jobs
        },
        "differences": _differences(plan, jobs, runs),
        "families": {
            family: difference(runs, f"{full}-without-{family}", full, family)
            for family in families(data.train, data.test)
            if f"{full}-without-{family}" in runs
        },
        "false_alarms": resplit_rates(scores) if len(scores) >= FEWEST else None,
        "baselines": dict(beside),
        "protocol": {
            "train": describe(data.train),
            "test": describe(data.test),
            "split": "by seed; a fifth of the training seeds validates and sets all thresholds",
            "far": study.far,
            "replicates": study.replicates,
            "seeds": list(plan.seeds),
            "main": asdict(plan.main),
            "kind_of_the_others": plan.kind,
            "full": full,
        },
    }


def _differences(plan: Plan, jobs: Sequence[Job], runs: Runs) -> dict[str, Any]:
    """Each model against the one that it differs from in one thing."""
    full = plan.full().name
    found = {}
    for job in jobs:
        if job.section == "time":
            found[job.name] = difference(runs, job.name, job.name.removesuffix("-time"))
        elif job.section in ("data", "signals", "inputs") and job.name != full:
            found[job.name] = difference(runs, job.name, full)
    return found


def difference(runs: Runs, name: str, reference: str, part: str = "all") -> dict[str, Any] | None:
    """Headline figures of one model less those of another, with paired 95 % intervals.

    None where one of them was refused, or has no figure.
    """
    sides = [runs.get(key, {}).get("sets", {}).get(part) for key in (name, reference)]
    if any(side is None for side in sides):
        return None
    ours, theirs = (side["headline"] for side in sides)
    found: dict[str, Any] = {"against": reference}
    for metric in PAIRED:
        if ours[metric] is None or theirs[metric] is None:
            found[metric] = None
            continue
        each = [np.array(side[f"{metric}_drawn"], float) for side in (ours, theirs)]
        found[metric] = ours[metric] - theirs[metric]
        found[f"{metric}_ci"] = drawn_interval(each[0] - each[1])
    return found
