"""Fits the boosted trees, hazards and outcome."""

import numpy as np
import xgboost
from numpy.typing import NDArray

from salus_predictor.model.hazards import UNKNOWN_OUTCOME, cumulative_incidence
from salus_predictor.model.trees import Trees, person_period
from salus_predictor.training.examples import Examples
from salus_predictor.training.listener import EpochReport, Listener
from salus_predictor.training.metrics import watch
from salus_predictor.training.options import TrainOptions

Array = NDArray[np.float64]

KEPT_QUIET = 0.3
"""Share of the rows without any event within the horizons that is kept, weighted up for it."""

MOST_ROWS = 60_000
"""Rows that hazards are learnt from, at most: what is left out stands between steps that are
kept and tell nearly the same."""

STOP_AFTER = 10
"""Rounds without a lower validation loss."""

OUTCOME_ROWS = 0.2
"""Share of rows that the outcome is learnt from: its rows hardly differ within an episode."""


def fit_trees(
    train: Examples, validation: Examples, options: TrainOptions, listener: Listener
) -> Trees:
    """Boost until validation stops getting better."""
    random = np.random.default_rng([options.seed, 0x7EE5])
    hazard = None
    if train.dated:
        rows, weight = _thin(train, random)
        hazard = _boost(
            _hazard_examples(train, rows, weight),
            _hazard_examples(validation, np.arange(len(validation.features)), None),
            train.types + 2,
            options,
        )
    trees = Trees(
        hazard,
        _boost(
            _outcome_examples(train, random),
            _outcome_examples(validation, random),
            train.types + 1,
            options,
            rounds=max(1, options.rounds // 4),
        ),
        train.horizons,
        train.types,
    )
    _report(trees, validation, listener)
    return trees


type Labelled = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]


def _hazard_examples(
    examples: Examples, rows: NDArray[np.int64], weight: NDArray[np.float32] | None
) -> Labelled:
    """Every bin that is at risk in the given rows: features and bin, what happened, weight."""
    at_risk = examples.targets.at_risk[rows].ravel()
    table = person_period(examples.features[rows], examples.horizons)[at_risk]
    happened = examples.targets.risk[rows].ravel()[at_risk]
    if weight is None:
        return table, happened, np.ones(len(table), np.float32)
    return table, happened, np.repeat(weight, examples.horizons)[at_risk]


def _outcome_examples(examples: Examples, random: np.random.Generator) -> Labelled:
    outcome = examples.targets.outcome
    asked = np.flatnonzero(outcome != UNKNOWN_OUTCOME)
    rows = np.sort(random.permutation(asked)[: max(1, round(OUTCOME_ROWS * len(asked)))])
    return examples.features[rows], outcome[rows], np.ones(len(rows), np.float32)


def _thin(
    examples: Examples, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows to learn from and their weights: those with an event near, and some of the others."""
    near = np.asarray((examples.targets.risk > 0).any(axis=1))
    kept = near | (random.uniform(size=len(near)) < KEPT_QUIET)
    rows = np.flatnonzero(kept)
    if len(rows) > MOST_ROWS:
        rows = np.sort(random.permutation(rows)[:MOST_ROWS])
    return rows, np.where(near[rows], 1.0, 1 / KEPT_QUIET).astype(np.float32)


def _boost(
    train: Labelled,
    validation: Labelled,
    classes: int,
    options: TrainOptions,
    rounds: int | None = None,
) -> xgboost.Booster:
    tables: list[xgboost.QuantileDMatrix] = []
    for table, label, weight in (train, validation):
        reference = {"ref": tables[0]} if tables else {}
        tables.append(xgboost.QuantileDMatrix(table, label, weight=weight, max_bin=64, **reference))
    settings = {
        "objective": "multi:softprob",
        "num_class": classes,
        "max_depth": options.depth,
        "eta": 0.15,
        "subsample": 0.7,
        "colsample_bytree": 0.3,
        "min_child_weight": 5,
        "max_bin": 64,
        "tree_method": "hist",
        "seed": options.seed,
        "verbosity": 0,
    }
    booster = xgboost.train(
        settings,
        tables[0],
        rounds or options.rounds,
        evals=[(tables[1], "validation")],
        early_stopping_rounds=STOP_AFTER,
        verbose_eval=False,
    )
    best: xgboost.Booster = booster[: booster.best_iteration + 1]
    best.set_param({"nthread": 1})
    return best


def _report(trees: Trees, held: Examples, listener: Listener) -> None:
    hazards, _ = trees.logits(held.features, held.data.ends)
    probability = cumulative_incidence(hazards)
    watched = watch(held.data, probability)
    listener.epoch(
        EpochReport(
            "trees",
            1,
            1,
            float("nan"),
            watched.macro_f1,
            watched.macro_ap,
            float("nan"),
            np.quantile(probability[:, -1], [0, 0.25, 0.5, 0.75, 1], axis=0).T,
            held.data.contract.failure_types,
        )
    )
