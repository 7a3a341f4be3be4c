"""The plan as signals: what a chunk says of the next steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus_collector.policy.intent import (
    INTENT_COLUMNS,
    PLAN_STEPS,
    box_distance,
    intent_signals,
    plan_ahead,
)
from salus_data.action_space import DELTA_EE, JOINT_POSITION
from salus_data.layout import object_slice
from salus_data.types import Validity

PERIOD = 1 / 30
HERE = np.array([0.5, 0.0, 0.3])


def chunk(steps: int = 16, *, down: float = 0.01, closes_at: int = 100) -> np.ndarray:
    actions = np.zeros((steps, 7))
    actions[:, 2] = -down
    actions[:, 6] = np.arange(steps) < closes_at
    return actions


def signals(actions: np.ndarray | None, perceived: np.ndarray) -> dict[str, float]:
    values, validity = intent_signals(plan_ahead(DELTA_EE, HERE, actions), perceived, PERIOD)
    assert ((validity == Validity.VALID) == np.isfinite(values)).all()
    return dict(zip((column.name for column in INTENT_COLUMNS), values, strict=True))


def scene() -> np.ndarray:
    perceived = np.full(30, np.nan)
    perceived[object_slice("object")] = [0.53, 0.04, 0.02, 0, 0, 0, 1, 0.04, 0.04, 0.04]
    perceived[object_slice("bin")] = [0.5, 0.2, 0, 0, 0, 0, 1, 0.1, 0.1, 0.1]
    return perceived


def test_a_plan_says_where_and_when_the_fingers_close() -> None:
    found = signals(chunk(closes_at=5), scene())
    assert found["planned_closing"] == pytest.approx(5 * PERIOD)
    assert found["planned_opening"] == 0
    assert found["planned_height"] == pytest.approx(0.3 - 0.01 * PLAN_STEPS)
    assert found["planned_travel"] == pytest.approx(0.01 * PLAN_STEPS)
    assert found["planned_object_distance"] == pytest.approx(0.05)
    assert found["planned_object_height"] == pytest.approx(0.02 - 0.25)
    assert found["planned_bin_distance"] == pytest.approx(0.2)
    assert np.isnan(found["planned_clearance"])  # no obstacle is perceived


def test_without_a_closing_the_end_of_the_plan_counts() -> None:
    found = signals(chunk(), scene())
    assert found["planned_closing"] == pytest.approx(PLAN_STEPS * PERIOD)
    assert found["planned_object_height"] == pytest.approx(0.02 - (0.3 - 0.01 * PLAN_STEPS))


def test_an_obstacle_below_the_path_is_as_near_as_the_lowest_point() -> None:
    perceived = scene()
    perceived[object_slice("obstacle")] = [0.5, 0, 0.05, 0, 0, 0, 1, 0.06, 0.06, 0.1]
    found = signals(chunk(), perceived)
    assert found["planned_clearance"] == pytest.approx(0.3 - 0.01 * PLAN_STEPS - 0.1)


@given(st.integers(PLAN_STEPS, 50))
def test_the_age_of_a_chunk_does_not_show(steps: int) -> None:
    assert signals(chunk(steps), scene()) == pytest.approx(signals(chunk(50), scene()), nan_ok=True)


@pytest.mark.parametrize("actions", [None, chunk(PLAN_STEPS - 1)])
def test_without_a_plan_of_that_length_there_are_no_signals(actions: np.ndarray | None) -> None:
    assert plan_ahead(DELTA_EE, HERE, actions) is None
    assert all(np.isnan(value) for value in signals(actions, scene()).values())


def test_joint_targets_say_nothing_of_the_path() -> None:
    assert plan_ahead(JOINT_POSITION, HERE, np.zeros((16, 8))) is None


@given(
    st.lists(st.floats(-1, 1), min_size=3, max_size=3),
    st.lists(st.floats(-1, 1), min_size=2, max_size=2),
    st.floats(0.01, 0.5),
    st.floats(0.0, 1.0),
)
def test_the_distance_to_a_box_is_that_to_its_nearest_point(
    point: list[float], centre: list[float], half: float, top: float
) -> None:
    where = np.array([point])
    # Whatever lies below the top counts as beside the box: it goes down to the ground and beyond.
    nearest = np.clip(
        point, [centre[0] - half, centre[1] - half, -2], [centre[0] + half, centre[1] + half, top]
    )
    assert box_distance(where, np.array(centre), half, top)[0] == pytest.approx(
        np.linalg.norm(where[0] - nearest), abs=1e-12
    )
