"""The trees of a stream: every comparison at once, against walking down and against XGBoost."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from salus_predictor.model import trees as trees_module
from salus_predictor.model.forest import MAX_LEAVES, Forest
from salus_predictor.model.predictor import HazardPredictor
from salus_predictor.model.trees import Trees
from salus_predictor.steps import StepData


def random_tree(random: np.random.Generator, leaves: int, features: int) -> dict[str, Any]:
    """A tree that grew at random leaves; thresholds repeat, so that rows lie on them."""
    left, right, feature, value = [-1], [-1], [0], [float(np.float32(random.normal()))]
    for _ in range(leaves - 1):
        node = int(random.choice([n for n, child in enumerate(left) if child < 0]))
        left[node], right[node] = len(left), len(left) + 1
        feature[node], value[node] = int(random.integers(features)), float(random.integers(-1, 4))
        for _ in range(2):
            left.append(-1)
            right.append(-1)
            feature.append(0)
            value.append(float(np.float32(random.normal())))
    return {"left": left, "right": right, "feature": feature, "value": value}


def walked(data: dict[str, Any], row: NDArray[np.float32]) -> NDArray[np.float32]:
    """Margins of one row (F,), the bin included, by walking down every tree."""
    margins = np.array(data["base"], np.float32)
    for number, tree in enumerate(data["trees"]):
        node = 0
        while tree["left"][node] >= 0:
            below = row[tree["feature"][node]] < np.float32(tree["value"][node])
            node = tree["left" if below else "right"][node]
        margins[number % data["classes"]] += np.float32(tree["value"][node])
    return margins


@given(
    st.integers(0, 10_000),
    st.integers(1, 4),
    st.integers(0, 3),
    st.sampled_from([1, 2, 7, 32, 33, MAX_LEAVES]),
    st.integers(0, 4),
)
@settings(max_examples=60)
def test_it_ends_where_walking_down_ends(
    seed: int, classes: int, rounds: int, leaves: int, bins: int
) -> None:
    random = np.random.default_rng(seed)
    features = 3 + (bins > 0)
    data = {
        "features": features,
        "classes": classes,
        "base": [float(np.float32(random.normal())) for _ in range(classes)],
        "trees": [random_tree(random, leaves, features) for _ in range(rounds * classes)],
    }
    other = {**data, "features": 3, "trees": [random_tree(random, 5, 3)] * classes}
    forest = Forest((data, bins), (other, 0))
    for row in random.integers(-1, 4, size=(5, 3)).astype(np.float32):
        rows = [np.append(row, np.float32(b)) for b in range(bins)] if bins else [row]
        wanted = np.stack([walked(data, each) for each in rows])
        found, of_other = forest.margins(row)
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(of_other, walked(other, row)[None])


def test_a_trained_booster_and_its_forest_say_the_same_bit_by_bit(
    fitted: HazardPredictor, held_data: StepData
) -> None:
    trees = next(member for member in fitted.members if isinstance(member, Trees))
    assert trees.forest is not None
    features = fitted.features(held_data)[:400]
    hazards, outcome = trees.logits(features, np.array([400]))
    state = trees.start(1)
    for row, hazard, ends in zip(features, hazards, outcome, strict=True):
        mine, theirs = state.step(row[None])
        np.testing.assert_array_equal(mine[0], hazard)
        np.testing.assert_array_equal(theirs[0], ends)


def test_a_tree_with_too_many_leaves_is_left_to_xgboost(
    fitted: HazardPredictor, held_data: StepData, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    tree = random_tree(random, MAX_LEAVES + 1, 3)
    with pytest.raises(ValueError, match="65 leaves"):
        Forest(({"features": 3, "classes": 1, "base": [0.0], "trees": [tree]}, 0))

    def refuse(*_: object) -> Forest:
        raise ValueError

    monkeypatch.setattr(trees_module, "Forest", refuse)
    trees = replace(next(member for member in fitted.members if isinstance(member, Trees)))
    assert trees.forest is None
    features = fitted.features(held_data)[:3]
    hazards, outcome = trees.start(3).step(features)
    wanted = trees.logits(features, np.array([3]))
    np.testing.assert_array_equal(hazards, wanted[0])
    np.testing.assert_array_equal(outcome, wanted[1])
