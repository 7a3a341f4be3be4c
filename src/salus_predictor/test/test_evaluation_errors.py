"""Errors are sorted into parts that are known by hand and sum to the confusion counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scored_data import HORIZONS, make_data, random_data, random_forecasts, record

from salus_data.types import Outcome
from salus_predictor.evaluation.bootstrap import episode_weights
from salus_predictor.evaluation.errors import FALSE, FOUND, MISSED, error_parts, error_tree
from salus_predictor.evaluation.evaluate import Settings, evaluate
from salus_predictor.evaluation.figure import tree_to_json
from salus_predictor.evaluation.thresholds import Thresholds

COLLISION, DROP = 0, 1
TEN = HORIZONS.index(10)


def steps(tree: dict, part: str) -> int:
    return tree["by_type"]["collision"][part]["steps"]


def test_every_part_has_the_steps_that_were_put_there() -> None:
    records = [
        record(0, COLLISION, 42),  # onset 40: steps 30 to 39 are positive within 10
        record(1, COLLISION, 42),
        record(2, COLLISION, 42, abrupt=True),
        record(3, None, 42),
        record(4, DROP, 42),
        record(5, None, 42, outcome=Outcome.TRUNCATED, onset_step=-1, confirm_step=-1),
    ]
    data = make_data(records, [42] * 6)
    probability = np.zeros((data.n_rows, len(HORIZONS), 2))
    at = probability[:, TEN, COLLISION].reshape(6, 42)
    at[0, 36:40] = 1  # found late: 4 of its 10
    at[0, 20:23] = 1  # too early
    at[2, 39] = 1  # of the abrupt one
    at[3, 5:10] = 1
    at[4, 7:9] = 1
    at[5, 3] = 1
    probability[:, TEN, COLLISION] = at.ravel()
    thresholds = np.full((len(HORIZONS), 2), 0.5)
    tree = error_tree(data, probability, thresholds, episode_weights(6, 30), (10,))
    assert {part: steps(tree, part) for part in (FOUND, *MISSED, *FALSE)} == {
        "found": 5,
        "missed_abrupt": 9,
        "missed_found_elsewhere": 6,
        "missed_never_found": 10,
        "false_success": 5,
        "false_early": 3,
        "false_other_failure": 2,
        "false_cut_off": 1,
    }
    node = tree["by_type"]["collision"]
    assert (node["positives"], node["predicted"]) == (30, 16)
    assert node["missed_never_found"]["share"].value == pytest.approx(10 / 30)
    assert node["false_success"]["share"].value == pytest.approx(5 / 16)
    assert tree["by_type"]["drop"]["missed_never_found"]["steps"] == 10
    assert tree["all"]["positives"] == 40


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.6))
def test_the_parts_sum_to_the_confusion_counts(seed: int, threshold: float) -> None:
    data = random_data(seed, 16)
    probability = random_forecasts(data, seed).probability
    for h in range(len(HORIZONS)):
        for c in (COLLISION, DROP):
            parts = error_parts(data, probability, threshold, h, c)
            valid, label = data.valid[:, h, c], data.labels[:, h, c] > 0
            predicted = probability[:, h, c] >= threshold
            assert np.sum(list(parts.values()), axis=0).max() <= 1
            assert np.array_equal(parts[FOUND], valid & label & predicted)
            missed = np.any([parts[part] for part in MISSED], axis=0)
            assert np.array_equal(missed, valid & label & ~predicted)
            false = np.any([parts[part] for part in FALSE], axis=0)
            assert np.array_equal(false, valid & ~label & predicted)


def test_shares_are_the_recall_and_precision_that_lead_the_report() -> None:
    data = random_data(3, 40)
    thresholds = Thresholds(np.full((3, 2), 0.3), np.full(2, 0.6), 0.2, "test")
    tree = evaluate("m", data, random_forecasts(data, 4), thresholds, Settings(replicates=30)).tree
    step = tree_to_json(tree)["step"]
    for name, node in step["errors"]["by_type"].items():
        assert node["found"]["share"] == pytest.approx(step["by_type_10_20"][name]["recall"])
        assert node["found"]["share_ci"] == pytest.approx(step["by_type_10_20"][name]["recall_ci"])
        assert node["hits"]["share"] == pytest.approx(step["by_type_10_20"][name]["precision"])
        assert sum(node[part]["share"] for part in (FOUND, *MISSED)) == pytest.approx(1)
        assert sum(node[part]["share"] for part in ("hits", *FALSE)) == pytest.approx(1)
    assert step["errors"]["all"]["found"]["share"] == pytest.approx(step["macro_10_20"]["recall"])
    assert step["errors"]["horizons"] == [10, 20]


def test_a_type_that_does_not_occur_has_no_shares_and_is_left_out_of_the_mean() -> None:
    data = make_data([record(0, COLLISION, 42), record(1, None, 42)], [42, 42])
    probability = np.full((84, 3, 2), 0.7)
    tree = error_tree(data, probability, np.full((3, 2), 0.5), episode_weights(2, 30), (10, 20))
    assert tree["by_type"]["drop"]["found"]["share"].value is None
    assert tree["by_type"]["drop"]["false_success"]["steps"] > 0
    assert tree["all"]["found"]["share"].value == pytest.approx(1)
