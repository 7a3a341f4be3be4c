"""Read a test store, find the first sign of every failure, and count."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus.foreseeable.figures import Scored, by_family, figures
from salus_collector.sim.families.registry import families
from salus_collector.sim.families.signs import first_sign
from salus_data.errors import FormatError, SalusError
from salus_data.layout import PERCEIVED
from salus_data.types import Outcome
from salus_data.view import StoreView
from salus_predictor.evaluation.bootstrap import episode_weights
from salus_predictor.evaluation.figure import tree_to_json
from salus_predictor.evaluation.overlap import OverlapError, overlap
from salus_predictor.evaluation.protocol import describe
from salus_predictor.evaluation.run import describe_model
from salus_predictor.model.reading import load_model
from salus_predictor.online.load import model_folder
from salus_predictor.steps import StepData

NOT_SAID = "not said; taken as from the start"


@dataclass(frozen=True)
class Options:
    """How to count.

    Attributes:
        model: folder, or `shipped`, of a model to set beside the bound; empty for none.
        replicates: of the bootstrap over episodes.
        seed: of the bootstrap.
    """

    model: str = ""
    replicates: int = 300
    seed: int = 0


def first_signs(view: StoreView) -> NDArray[np.int64]:
    """(E, 2) the first row that shows the earliest, and the latest, cause of each failure.

    0 where an episode did not fail.

    Raises:
        FormatError: a store keeps no perceived poses of this simulation, a family is unknown, or a
            failure has no date.
    """
    if "perceived" not in view.names or tuple(view.contract.perceived) != PERCEIVED:
        raise FormatError(
            f"{view.paths[0]}: `perceived` is not that of this simulation, so from when on a "
            "cause shows cannot be told; give stores of `salus collect`"
        )
    first = np.zeros((len(view), 2), np.int64)
    for episode, record in enumerate(view.records):
        if record.outcome is Outcome.FAILURE:
            gripper = view.read("action", episode)[:, -1]
            perceived = view.read("perceived", episode)
            try:
                first[episode] = first_sign(record, gripper, perceived)
            except SalusError as error:
                store, _ = view.locate(episode)
                raise FormatError(f"{store.path}: {error}") from error
    return first


def run_study(stores: Sequence[Path], options: Options | None = None) -> dict[str, Any]:
    """The whole study as plain JSON data, but for the command line.

    Raises:
        OverlapError: the model has seen one of the episodes.
        SalusError: a folder or a store cannot be read, or there is no dated failure.
    """
    options = options or Options()
    view, data = StoreView(stores), StepData.read(stores)
    if not (data.valid & (data.labels > 0)).any():
        raise FormatError(f"{view.paths[0]}: no step before a failure, so nothing to foresee")
    first, last = first_signs(view).T
    weights = episode_weights(len(data), options.replicates, seed=options.seed)
    protocol: dict[str, Any] = {
        "test": describe(data),
        "bootstrap": {"unit": "episode", "replicates": options.replicates, "seed": options.seed},
    }
    scored = None
    if options.model:
        scored, protocol["model"] = _score(options.model, data)
    rules = {name: family.sign or NOT_SAID for name, family in families().items()}
    tree = figures(data, first, weights, scored) | {
        "by_family": by_family(data, first, weights, rules, scored),
        "latest_cause": figures(data, last, weights, scored),
    }
    return tree_to_json(tree) | {"rules": rules, "protocol": protocol}


def _score(model: str, data: StepData) -> tuple[Scored, dict[str, Any]]:
    """What the model says of every row, and what it is."""
    folder = model_folder(model)
    loaded = load_model(folder)
    if known := overlap(data, (*loaded.episodes.train, *loaded.episodes.validation)):
        raise OverlapError(
            f"{model} has seen {len(known)} of the {len(data)} episodes in training or validation "
            f"(first: {known[0]}); give episodes collected with another --seed"
        )
    forecasts = loaded.predictor.predict(data)
    if np.isnan(forecasts.probability).any():
        raise FormatError(f"{folder}: the model says how episodes end, not when")
    return Scored(forecasts.probability, loaded.calibration.f1), describe_model(loaded, folder)
