"""The product's entry: a mean of members, chosen on folds inside the training episodes alone."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from salus_predictor.studies.pi0_libero.episodes import CUTS, Episodes
from salus_predictor.studies.pi0_libero.features import prefix_table
from salus_predictor.studies.pi0_libero.members import MEMBERS
from salus_predictor.studies.pi0_libero.scores import pooled_auc, within_auc
from salus_predictor.studies.pi0_libero.splits import Split

Array = NDArray[np.float64]

FOLDS: Final = 4
PRIOR: Final = 2.0
"""Episodes that the overall failure rate counts for in that of a task."""

RATE_WEIGHTS: Final = (0.25, 0.5, 1.0)
"""How much the logit of the task's failure rate may count beside a standardised score."""

_LINEAR: Final = ("logistic regression", "logistic regression within tasks")
_TWO: Final = "two-signal logistic regression"
MIXES: Final[tuple[tuple[str, ...], ...]] = (
    *((member.name,) for member in MEMBERS),
    _LINEAR,
    (*_LINEAR, _TWO),
    (*_LINEAR, "forest"),
    (*_LINEAR, _TWO, "forest"),
    (*_LINEAR, "extra trees"),
    (*_LINEAR, _TWO, "extra trees"),
    ("extra trees", "forest", "ranked logistic regression", "logistic regression within tasks"),
    ("forest", "action forest", "extra trees"),
    tuple(member.name for member in MEMBERS),
)
"""Members whose standardised logits are averaged."""


@dataclass(frozen=True)
class MemberScores:
    """Logits of all members on one split: cuts x members x episodes; NaN where not scored.

    Attributes:
        folds: of the training and validation episodes, each by a model that did not see its fold.
        test: of the test episodes, by the model of all training and validation episodes.
        fold_rate, test_rate: logit of the failure rate of the episode's task in what was fitted to.
    """

    folds: Array
    test: Array
    fold_rate: Array
    test_rate: Array


def member_scores(episodes: Episodes, split: Split) -> MemberScores:
    """Fit every member at every cut, on folds and on the whole."""
    fit = episodes.find((*split.train, *split.validation))
    test = episodes.find(split.test)
    shape = (len(CUTS), len(MEMBERS), len(episodes))
    inner, outer = np.full(shape, np.nan), np.full(shape, np.nan)
    folds = _folds(episodes, split.protocol, fit)
    for c, share in enumerate(CUTS):
        table = prefix_table(episodes.signals, episodes.prefix_rows(share))
        for m, member in enumerate(MEMBERS):
            for scores, train, held in (*((inner, *fold) for fold in folds), (outer, fit, test)):
                scores[c, m, held] = member.fit_logits(
                    episodes.names,
                    table,
                    episodes.failed,
                    episodes.task,
                    train,
                    held,
                    seed=split.seed,
                )
    fold_rate = np.full(len(episodes), np.nan)
    for train, held in folds:
        fold_rate[held] = rate_logit(episodes, train)[held]
    return MemberScores(inner, outer, fold_rate, rate_logit(episodes, fit))


def rate_logit(episodes: Episodes, train: NDArray[np.int64]) -> Array:
    """(E,) logit of the smoothed failure rate of each episode's task among `train`."""
    overall = episodes.failed[train].mean()
    rate = np.empty(len(episodes.tasks))
    for k in range(len(episodes.tasks)):
        mine = train[episodes.task[train] == k]
        rate[k] = (episodes.failed[mine].sum() + PRIOR * overall) / (len(mine) + PRIOR)
    by_episode: Array = np.log(rate / (1 - rate))[episodes.task]
    return by_episode


@dataclass(frozen=True)
class Choice:
    """What the folds chose: a mix, and how much the task's failure rate counts beside it."""

    mix: tuple[str, ...]
    rate_weight: float
    fold_score: float


def choose(episodes: Episodes, scores: MemberScores, *, with_rate: bool) -> Choice:
    """The mix with the best mean over cuts of pooled and within-task AUC on the folds."""
    known = np.flatnonzero(~np.isnan(scores.fold_rate))
    failed, task = episodes.failed[known], episodes.task[known]
    best = Choice(MIXES[0], 0.0, -1.0)
    for mix in MIXES:
        for weight in RATE_WEIGHTS if with_rate else (0.0,):
            values = []
            for c in range(len(CUTS)):
                score = mixed(scores.folds, scores.folds, c, mix)[known]
                score = score + weight * scores.fold_rate[known]
                values += [pooled_auc(score, failed), within_auc(score, failed, task)]
            if np.mean(values) > best.fold_score:
                best = Choice(mix, weight, float(np.mean(values)))
    return best


def mixed(logits: Array, folds: Array, cut: int, mix: tuple[str, ...]) -> Array:
    """Mean of the members' logits (cuts, members, E), each in units of its spread on the folds."""
    chosen = [m for m, member in enumerate(MEMBERS) if member.name in mix]
    spread = np.nanstd(folds[cut, chosen], axis=1)
    total: Array = (logits[cut, chosen] / spread[:, None]).mean(axis=0)
    return total


def _folds(
    episodes: Episodes, protocol: str, fit: NDArray[np.int64]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(train, held out): whole tasks for unseen tasks, else episodes of every task and ending."""
    task = episodes.task[fit]
    if protocol == "unseen":
        tasks = np.unique(task)
        groups = [np.isin(task, tasks[k::FOLDS]) for k in range(FOLDS)]
        return [(fit[~held], fit[held]) for held in groups]
    strata = task * 2 + episodes.failed[fit]
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(fit, strata)
    return [(fit[train], fit[held]) for train, held in folds]
