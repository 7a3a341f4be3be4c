"""The models that read prefix statistics: baselines of their own, and members of the mixes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xgboost
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from salus_predictor.studies.pi0_libero.features import RELATIVE, STATISTICS

Array = NDArray[np.float64]

ACTION_SIGNALS: Final = (
    "action_jerk",
    "action_norm",
    "chunk_mse",
    "chunk_mse_mmd",
    "denoising_curvature",
)
"""What the policy's output alone gives; the rest is the robot's own."""

TWO_SIGNALS: Final = ("action_norm", "chunk_mse")
"""What ActProbe reads."""

RARE_SHARE: Final = 0.02
"""Weight of an episode of a task in which training saw one ending only."""


@dataclass(frozen=True)
class Member:
    """One model on some of the statistics.

    Attributes:
        name: as tables show it.
        make: a fresh scikit-learn classifier from a seed.
        signals: names of the signals it reads; empty for all.
        relative: only statistics that do not change with a constant.
        within: weigh failures and successes alike within every task, so that the model learns what
            tells them apart there and not which task fails often.
    """

    name: str
    make: Callable[[int], Any]
    signals: tuple[str, ...] = ()
    relative: bool = False
    within: bool = False

    def columns(self, names: tuple[str, ...], table: Array) -> Array:
        """The statistics (E, K, S) that it reads, (E, columns)."""
        signals = [k for k, name in enumerate(names) if not self.signals or name in self.signals]
        kept = [s for s, name in enumerate(STATISTICS) if not self.relative or name in RELATIVE]
        return table[:, signals][:, :, kept].reshape(len(table), -1)

    def fit_logits(
        self,
        names: tuple[str, ...],
        table: Array,
        failed: NDArray[np.bool_],
        task: NDArray[np.int64],
        train: NDArray[np.int64],
        test: NDArray[np.int64],
        *,
        seed: int,
    ) -> Array:
        """Fit to the episodes `train`; the logit of failure of the episodes `test`."""
        x = self.columns(names, table)
        model = self.make(seed)
        weight = endings_weight(failed[train], task[train], within=self.within)
        fit = {"sample_weight": weight}
        if hasattr(model, "steps"):
            fit = {f"{model.steps[-1][0]}__sample_weight": weight}
        model.fit(x[train], failed[train].astype(np.int64), **fit)
        chance = np.clip(model.predict_proba(x[test])[:, 1], 1e-3, 1 - 1e-3)
        return np.asarray(np.log(chance / (1 - chance)), dtype=np.float64)


def endings_weight(failed: NDArray[np.bool_], task: NDArray[np.int64], *, within: bool) -> Array:
    """(E,) weights that make both endings count alike, overall or within every task; mean 1."""
    weight = np.ones(len(failed))
    for k in np.unique(task) if within else [None]:
        mine = np.ones(len(failed), bool) if k is None else task == k
        both = failed[mine].any() and not failed[mine].all()
        for ending in (False, True):
            members = mine & (failed == ending)
            count = int(members.sum())
            if count:
                # A task with few failures says less; its weight grows with their square root.
                rarer = min(int((mine & failed).sum()), int((mine & ~failed).sum()))
                weight[members] = np.sqrt(rarer) / count if both else RARE_SHARE
    return np.asarray(weight * len(weight) / weight.sum(), dtype=np.float64)


def _logistic(strength: float) -> Callable[[int], Any]:
    return lambda _: make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500))


def _ranked_logistic(strength: float) -> Callable[[int], Any]:
    return lambda _: make_pipeline(
        QuantileTransformer(n_quantiles=50, output_distribution="normal"),
        LogisticRegression(C=strength, max_iter=500),
    )


def _forest(depth: int) -> Callable[[int], Any]:
    return lambda seed: xgboost.XGBRFClassifier(
        n_estimators=150,
        max_depth=depth,
        subsample=0.6,
        colsample_bynode=0.15,
        min_child_weight=2,
        reg_lambda=1e-3,
        tree_method="hist",
        max_bin=32,
        n_jobs=1,
        random_state=seed,
    )


def _extra_trees(seed: int) -> Any:
    return ExtraTreesClassifier(150, min_samples_leaf=3, random_state=seed)


MEMBERS: Final = (
    Member("logistic regression", _logistic(0.01)),
    Member("logistic regression, strong penalty", _logistic(0.001)),
    Member("logistic regression within tasks", _logistic(0.01), within=True),
    Member("ranked logistic regression", _ranked_logistic(0.01)),
    Member("relative logistic regression", _logistic(0.01), relative=True),
    Member("action logistic regression", _logistic(0.01), signals=ACTION_SIGNALS),
    Member("two-signal logistic regression", _logistic(0.1), signals=TWO_SIGNALS),
    Member("extra trees", _extra_trees),
    Member("forest", _forest(6)),
    Member("action forest", _forest(5), signals=ACTION_SIGNALS),
)
