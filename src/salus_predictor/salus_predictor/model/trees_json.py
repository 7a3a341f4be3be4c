"""Boosted trees as JSON: what forecasting reads of a booster, and nothing else.

XGBoost's own JSON is three times as long, since it keeps gains, covers and weights of inner nodes
for those who go on boosting. Here a tree is four lists with an entry for each node: `left` and
`right` child (-1 at a leaf), `feature` to compare, and `value`, the threshold below which the left
child is next, or what a leaf adds. Numbers are float32 in the fewest digits that give them back,
so that a booster that is read says exactly what the written one said. Trees come round by round,
in every round one for each class.

A booster is built anew from the four lists, which are checked first: XGBoost trusts indices that it
reads. Features are always finite, so there is no default direction and there are no categories.
"""

import json
from typing import Any, Final

import numpy as np
import xgboost
from numpy.typing import NDArray

from salus_data.errors import FormatError

NO_PARENT: Final = 2**31 - 1
OBJECTIVE: Final = "multi:softprob"


def plain(booster: xgboost.Booster) -> dict[str, Any]:
    """A booster as plain data.

    Raises:
        FormatError: it has more than one tree for a class and round, or categories.
    """
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    told, model = learner["learner_model_param"], learner["gradient_booster"]["model"]
    classes = int(told["num_class"])
    trees = model["trees"]
    if model["tree_info"] != [number % classes for number in range(len(trees))]:
        raise FormatError("boosted trees do not come one for each class and round")
    if any(tree["categories"] for tree in trees):
        raise FormatError("boosted trees have categories")
    return {
        "features": int(told["num_feature"]),
        "classes": classes,
        "base": json.loads(told["base_score"]),
        "trees": [
            {
                "left": tree["left_children"],
                "right": tree["right_children"],
                "feature": tree["split_indices"],
                "value": tree["split_conditions"],
            }
            for tree in trees
        ],
    }


def booster_of(data: dict[str, Any], features: int, classes: int) -> xgboost.Booster:
    """The booster of plain data.

    Raises:
        FormatError: the trees do not fit features and classes, or lead nowhere.
    """
    if data["features"] != features or data["classes"] != classes:
        raise FormatError(
            f"boosted trees for {data['features']} features and {data['classes']} classes, "
            f"not {features} and {classes}"
        )
    base = _finite(data["base"])
    if base.shape != (classes,):
        raise FormatError(f"boosted trees begin with {base.size} numbers, not {classes}")
    if not data["trees"] or len(data["trees"]) % classes:
        raise FormatError(
            f"{len(data['trees'])} boosted trees are not one for each of {classes} classes"
        )
    trees = [_tree(number, tree, features) for number, tree in enumerate(data["trees"])]
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(json.dumps(_learner(trees, base, features)).encode()))
    except xgboost.core.XGBoostError as error:
        raise FormatError(f"XGBoost cannot read the trees: {str(error).splitlines()[0]}") from error
    # One row at a time is too little work for two threads.
    booster.set_param({"nthread": 1})
    return booster


def _tree(number: int, tree: dict[str, Any], features: int) -> dict[str, Any]:
    """A tree as XGBoost wants it."""
    left, right, feature = (_whole(tree[name]) for name in ("left", "right", "feature"))
    value = _finite(tree["value"])
    n = len(value)
    if not n or any(part.shape != (n,) for part in (left, right, feature, value)):
        raise FormatError("a boosted tree has lists of different lengths")
    own, leaf = np.arange(n), left == -1
    # Children come after their parents, so that no walk goes in circles.
    inner = (left > own) & (right > own) & (left < n) & (right < n)
    if not np.where(leaf, right == -1, inner & (feature >= 0) & (feature < features)).all():
        raise FormatError("a boosted tree has nodes that lead nowhere")
    children = np.concatenate([left[~leaf], right[~leaf]])
    if len(np.unique(children)) != n - 1:
        raise FormatError("a boosted tree has nodes that lead nowhere, or two that lead to one")
    parents = np.full(n, NO_PARENT)
    parents[children] = np.tile(own[~leaf], 2)
    nothing, none = [0] * n, [0.0] * n
    return {
        "id": number,
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(features),
            "num_nodes": str(n),
            "size_leaf_vector": "1",
        },
        "left_children": left.tolist(),
        "right_children": right.tolist(),
        "parents": parents.tolist(),
        "split_indices": np.where(leaf, 0, feature).tolist(),
        "split_conditions": value.tolist(),
        "split_type": nothing,
        "default_left": nothing,
        "base_weights": none,
        "loss_changes": none,
        "sum_hessian": none,
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
    }


def _learner(trees: list[dict[str, Any]], base: NDArray[np.float64], features: int) -> Any:
    """The document that XGBoost loads."""
    classes = len(base)
    rounds = len(trees) // classes
    model = {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(trees))},
        "iteration_indptr": [classes * number for number in range(rounds + 1)],
        "tree_info": list(range(classes)) * rounds,
        "trees": trees,
    }
    return {
        "version": [3, 0, 0],
        "learner": {
            "attributes": {},
            "feature_names": [],
            "feature_types": [],
            "gradient_booster": {"name": "gbtree", "model": model},
            "learner_model_param": {
                "base_score": json.dumps(base.tolist()),
                "boost_from_average": "1",
                "num_class": str(classes),
                "num_feature": str(features),
                "num_target": "1",
            },
            "objective": {
                "name": OBJECTIVE,
                "softmax_multiclass_param": {"num_class": str(classes)},
            },
        },
    }


def _whole(values: object) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.dtype.kind != "i" or array.ndim != 1:
        raise FormatError("a boosted tree has a list of nodes that are no whole numbers")
    return array.astype(np.int64)


def _finite(values: object) -> NDArray[np.float64]:
    array = np.asarray(values)
    if array.dtype.kind not in "if" or array.ndim != 1 or not np.isfinite(array).all():
        raise FormatError("a boosted tree has a list of numbers that are not finite numbers")
    if len(array) and np.abs(array).max() > np.finfo(np.float32).max:
        raise FormatError("a boosted tree has numbers beyond float32")
    return array.astype(np.float64)
