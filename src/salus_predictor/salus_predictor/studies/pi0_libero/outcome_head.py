"""The product's own predictor on the rollouts: its outcome head, as `salus train` fits it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.rollouts import import_rollouts
from salus_predictor.steps import StepData
from salus_predictor.studies.pi0_libero.splits import Split
from salus_predictor.training.fit import HazardRecipe
from salus_predictor.training.options import TrainOptions

STEP_PERIOD: Final = 0.25
"""Seconds: a policy call every 5 control steps at LIBERO's 20 Hz."""

OPTIONS: Final = TrainOptions(epochs=15, kind="average")
"""Those of `salus train`, but for fewer epochs."""


def rollout_steps(files: Sequence[Path], store: Path) -> StepData:
    """The rollouts as step data, by way of a store that `salus import-rollouts` would write."""
    if not store.exists():
        import_rollouts(sorted(files), store, step_period=STEP_PERIOD, policy="pi0")
    return StepData.read(store)


def outcome_scores(data: StepData, split: Split) -> list[NDArray[np.float64]]:
    """The probability of failure after every step (T,) of each test episode of a split."""
    places = {record.id: number for number, record in enumerate(data.records)}
    train, validation, test = (
        data.subset([places[name] for name in ids])
        for ids in (split.train, split.validation, split.test)
    )
    predictor = HazardRecipe(OPTIONS).fit(train, validation, seed=split.seed)
    chance = 1 - predictor.predict(test).outcome[:, 0]
    return [chance[test.rows(e)] for e in range(len(test))]
