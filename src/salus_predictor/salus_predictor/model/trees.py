"""Boosted trees as hazards: one booster asked once for each bin.

Person-period form: a row of features with the number of its bin is one example, its label what
happened in the bin (Singer and Willett, Journal of Educational Statistics 18 (1993) 155). So the
trees share what the bins have in common, and the cumulative incidence is monotone as always. A
second booster answers the outcome. Stored as the JSON of XGBoost, never as a pickle.
"""

import json
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import xgboost
from numpy.typing import NDArray

from salus_data.errors import FormatError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Trees:
    """Trained boosters.

    Attributes:
        hazard: features and bin to C + 2 margins; None where no label was ever valid.
        outcome: features to C + 1 margins.
        horizons: H.
        types: C.
    """

    hazard: xgboost.Booster | None
    outcome: xgboost.Booster
    horizons: int
    types: int

    @classmethod
    def from_json(cls, text: bytes, horizons: int, types: int, features: int) -> Self:
        """Read what `to_json` wrote.

        Raises:
            FormatError: it is not, or its trees do not fit features, horizons and types.
        """
        try:
            data = json.loads(text)
            hazard = data["hazard"]
            return cls(
                None if hazard is None else _booster(hazard, features + 1, types + 2),
                _booster(data["outcome"], features, types + 1),
                horizons,
                types,
            )
        except (KeyError, TypeError, ValueError, IndexError, RecursionError) as error:
            raise FormatError(f"not boosted trees: {type(error).__name__}: {error}") from error

    def to_json(self) -> bytes:
        """Both boosters in XGBoost's own JSON, in one object."""
        return json.dumps(
            {
                "hazard": None if self.hazard is None else _plain(self.hazard),
                "outcome": _plain(self.outcome),
            },
            separators=(",", ":"),
        ).encode()

    def start(self, batch: int) -> "TreesState":
        """Trees carry no state: what they remember is in the features."""
        del batch
        return TreesState(self)

    def logits(self, features: NDArray[np.float32], ends: NDArray[np.int64]) -> tuple[Array, Array]:
        """Hazard logits (N, H, C + 2) and outcome logits (N, C + 1)."""
        del ends
        return TreesState(self).step(features)


@dataclass(frozen=True)
class TreesState:
    """Nothing, in the form that a recurrent model has it."""

    trees: Trees

    def keep(self, batch: int) -> None:
        """Nothing to do."""

    def step(self, features: NDArray[np.float32]) -> tuple[Array, Array]:
        """Logits (B, H, C + 2) and (B, C + 1) of features (B, F)."""
        trees, n = self.trees, len(features)
        outcome = _margins(trees.outcome, features)
        if trees.hazard is None:
            return np.zeros((n, trees.horizons, trees.types + 2)), outcome
        hazards = _margins(trees.hazard, person_period(features, trees.horizons))
        return hazards.reshape(n, trees.horizons, -1), outcome


def person_period(features: NDArray[np.float32], horizons: int) -> NDArray[np.float32]:
    """Every row (N, F) once for each bin, with the number of the bin behind it: (N H, F + 1)."""
    rows = np.repeat(features, horizons, axis=0)
    bins = np.tile(np.arange(horizons, dtype=np.float32), len(features))
    return np.concatenate([rows, bins[:, None]], axis=1)


def _margins(booster: xgboost.Booster, features: NDArray[np.float32]) -> Array:
    margins = booster.inplace_predict(np.ascontiguousarray(features), predict_type="margin")
    result: Array = np.asarray(margins, np.float64).reshape(len(features), -1)
    return result


def _plain(booster: xgboost.Booster) -> Any:
    return json.loads(bytes(booster.save_raw("json")))


def _booster(data: dict[str, Any], features: int, classes: int) -> xgboost.Booster:
    """A booster from its JSON, checked first: XGBoost trusts the indices that it reads."""
    learner = data["learner"]
    told = learner["learner_model_param"]
    if int(told["num_feature"]) != features or int(told["num_class"]) != classes:
        raise FormatError(
            f"boosted trees for {told['num_feature']} features and {told['num_class']} classes, "
            f"not {features} and {classes}"
        )
    if learner["gradient_booster"]["name"] != "gbtree":
        raise FormatError(f"booster {learner['gradient_booster']['name']!r}, not gbtree")
    model = learner["gradient_booster"]["model"]
    for tree in model["trees"]:
        _check_tree(tree, features)
    info = np.asarray(model["tree_info"])
    if len(info) != len(model["trees"]) or ((info < 0) | (info >= classes)).any():
        raise FormatError("boosted trees name classes that are not there")
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(json.dumps(data).encode()))
    except xgboost.core.XGBoostError as error:
        raise FormatError(f"XGBoost cannot read the trees: {str(error).splitlines()[0]}") from error
    # One row at a time is too little work for two threads.
    booster.set_param({"nthread": 1})
    return booster


def _check_tree(tree: dict[str, Any], features: int) -> None:
    left, right = np.asarray(tree["left_children"]), np.asarray(tree["right_children"])
    index, condition = np.asarray(tree["split_indices"]), np.asarray(tree["split_conditions"])
    n = int(tree["tree_param"]["num_nodes"])
    own = np.arange(n)
    if not n or any(len(part) != n for part in (left, right, index, condition)):
        raise FormatError("a boosted tree has arrays of different lengths")
    leaf = left == -1
    # Children come after their parents, so that no walk goes in circles.
    inner = (left > own) & (right > own) & (left < n) & (right < n)
    sound = np.where(leaf, right == -1, inner & (index >= 0) & (index < features))
    if not sound.all() or not np.isfinite(condition).all():
        raise FormatError("a boosted tree has nodes that lead nowhere")
