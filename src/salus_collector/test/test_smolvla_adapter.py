"""What a policy reads is what its adapter says, on one observation and on many alike."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus_collector.policy.geometry import downward_orientation
from salus_collector.policy.smolvla.adapter import Adapter
from salus_collector.policy.smolvla.pose_state import pose_state
from salus_data.action_space import DELTA_EE
from salus_data.errors import SalusError
from salus_data.layout import EE_POSITION, EE_QUATERNION, PERCEIVED, STATE, object_slice


def adapter(*entries: dict[str, Any]) -> Adapter:
    return Adapter(DELTA_EE, entries)


def observation(seed: int = 0, *, obstacle: bool = True) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    state, perceived = random.normal(size=len(STATE)), random.normal(size=len(PERCEIVED))
    if not obstacle:
        perceived[object_slice("obstacle")] = np.nan
    return {"state": state, "perceived": perceived}


def test_every_kind_of_entry_means_what_it_says() -> None:
    seen = observation()
    own = adapter(
        {"column": "ee.x"},
        {"sum": {"object.y": 1, "ee.y": -1}},
        {"sum": {"obstacle.z": 1, "obstacle.sz": 0.5}, "fill": 7.0},
        {"seen": "obstacle"},
        {"executed": 6, "fill": 0.25},
    )
    ee, block = seen["state"][EE_POSITION], seen["perceived"][object_slice("object")]
    wall = seen["perceived"][object_slice("obstacle")]
    executed = np.arange(7.0)
    expected = [ee[0], block[1] - ee[1], wall[2] + wall[9] / 2, 1, 6]
    np.testing.assert_allclose(own.vector(seen, executed), expected)
    np.testing.assert_allclose(own.vector(seen, None)[4], 0.25)
    unseen = observation(obstacle=False)
    np.testing.assert_allclose(own.vector(unseen, executed)[2:4], [7.0, 0.0])


def test_a_square_hand_has_nothing_to_turn() -> None:
    own = adapter(*({"turn": "object", "axis": axis} for axis in "xyz"))
    seen = observation()
    yaw = 0.3
    seen["perceived"][object_slice("object")][3:7] = (0, 0, np.sin(yaw / 2), np.cos(yaw / 2))
    # Pointing down at that yaw: a half turn about x after a turn of -yaw about z.
    seen["state"][EE_QUATERNION] = (np.cos(yaw / 2), np.sin(yaw / 2), 0, 0)
    assert np.allclose(downward_orientation(yaw)[:, 0], [np.cos(yaw), np.sin(yaw), 0])
    np.testing.assert_allclose(own.vector(seen, None), 0, atol=1e-12)
    off = 0.1
    seen["state"][EE_QUATERNION] = (np.cos((yaw - off) / 2), np.sin((yaw - off) / 2), 0, 0)
    np.testing.assert_allclose(own.vector(seen, None), [0, 0, np.sin(off)], atol=1e-12)


@given(st.integers(0, 1000), st.integers(1, 6), st.booleans())
def test_many_rows_are_each_row_by_itself(seed: int, rows: int, obstacle: bool) -> None:
    own = Adapter(DELTA_EE, pose_state())
    every = [observation(seed + i, obstacle=obstacle) for i in range(rows)]
    executed = np.random.default_rng(seed).normal(size=(rows, 7))
    executed[0] = np.nan
    together = own.matrix(
        np.stack([o["state"] for o in every]), np.stack([o["perceived"] for o in every]), executed
    )
    single = [own.vector(o, None if i == 0 else executed[i]) for i, o in enumerate(every)]
    np.testing.assert_array_equal(together, single)
    assert together.shape == (rows, own.size) == (rows, len(own.names))


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    own = Adapter(DELTA_EE, pose_state(), {"observation.images.front": "front"}, 3, {"seed": 1})
    own.write(tmp_path)
    assert Adapter.read(tmp_path) == own
    assert len(set(own.names)) == own.size


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"column": "ee.w"}, "unknown column of state"),
        ({"column": "ee.x", "seen": "bin"}, "exactly one of"),
        ({"column": "ee.x", "fil": 0}, "unknown"),
        ({"sum": {"ee.x": float("nan")}}, "not a finite number"),
        ({"sum": {}}, "one at least"),
        ({"seen": "table"}, "known: object, obstacle, bin"),
        ({"turn": "object", "axis": "w"}, "known: x, y, z"),
        ({"executed": 9, "fill": 0.0}, "component 0..6"),
        ({"executed": 6}, "needs `fill`"),
    ],
)
def test_a_wrong_entry_is_refused(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(SalusError, match=message):
        adapter(entry)


def test_a_missing_value_without_fill_is_refused() -> None:
    own = adapter({"column": "obstacle.x"})
    with pytest.raises(SalusError, match=r"obstacle\.x.*no `fill`"):
        own.vector(observation(obstacle=False), None)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SalusError, match=r"salus_adapter\.json: no such file"):
        Adapter.read(tmp_path)
    path = tmp_path / "salus_adapter.json"
    path.write_text("{")
    with pytest.raises(SalusError, match="not JSON"):
        Adapter.read(tmp_path)
    good = Adapter(DELTA_EE, pose_state()).to_json()
    for wrong in (
        good | {"schema_version": 2},
        good | {"extra": 1},
        [],
        good | {"cameras": 3},
        good | {"cameras": {"observation.images.top": "top"}},
        {k: v for k, v in good.items() if k != "state"},
    ):
        path.write_text(json.dumps(wrong))
        with pytest.raises(SalusError, match=r"salus_adapter\.json"):
            Adapter.read(tmp_path)
