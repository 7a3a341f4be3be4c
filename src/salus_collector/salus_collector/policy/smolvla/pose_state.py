"""The state vector of the shipped policy, which reads poses and no camera."""

from typing import Any, Final

from salus_data.layout import JOINTS

_ARM: Final = JOINTS[:7]


def pose_state() -> tuple[dict[str, Any], ...]:
    """The adapter's entries: where the hand is, where the perceived things are from there."""
    relative = [
        {"sum": {f"{name}.{axis}": 1, f"ee.{axis}": -1}, "fill": 0.0}
        for name in ("object", "bin", "obstacle")
        for axis in ("x", "y", "z")
    ]
    return (
        *({"column": f"ee.{axis}"} for axis in ("x", "y", "z")),
        *({"column": f"{joint}.position"} for joint in _ARM),
        *({"column": f"{joint}.velocity"} for joint in _ARM),
        {"sum": {"finger_left.position": 1, "finger_right.position": 1}},
        {"sum": {"finger_left.velocity": 1, "finger_right.velocity": 1}},
        {"executed": 6, "fill": 1.0},
        *relative,
        *({"turn": "object", "axis": axis, "fill": 0.0} for axis in ("x", "y", "z")),
        {"column": "object.z", "fill": 0.0},
        {"seen": "obstacle"},
        # The top is what the transit height depends on; without an obstacle it is the table.
        {"sum": {"obstacle.z": 1, "obstacle.sz": 0.5}, "fill": 0.0},
        {"sum": {"obstacle.z": 1, "obstacle.sz": 0.5, "ee.z": -1}, "fill": 0.0},
    )
