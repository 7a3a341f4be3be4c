"""The robot's own signals: one definition each, computed alike by everything that needs them.

The recorder, the predictor and the import of bags call `salus_data.robot_signals` step by step;
docs/SIGNALS.md is made from the same table (`python -m salus_data.signals`). None of the signals
knows the time: the value of row t follows from observation t, the action proposed on it and at most
five steps before, with the actions that were executed then. So a forecast for row t can be made
before its action is let through, and the rows of a dataset are the very same numbers. Most follow
from the observation alone: they are computed while the policy still thinks.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Column
from salus_data.errors import ContractMismatchError
from salus_data.signal_history import History, Step

Array = NDArray[np.float64]

GRIPPER_WIDTH: Final = 0.08
"""Distance between the fingers of the Panda's hand when open [m]."""

TRACKING_STEPS: Final = 4
"""Steps over which the commanded and the achieved displacement are compared."""


@dataclass(frozen=True)
class Signal:
    """What one signal is.

    Attributes:
        name: as in `Contract.signals`.
        unit: SI, `1` for a ratio.
        formula: the definition in words; t is the present step.
        sources: columns or arrays it is computed from.
        history: steps before the present one that it needs; NaN (WARMING_UP) until they are there.
        asks: whether it reads the action proposed at t; what does not is known before that comes.
        perceives: the object it is about, one of `layout.OBJECTS`; NaN (NOT_PERCEIVED) while that
            is not seen; empty where the robot itself is enough.
        compute: the definition in code.
    """

    name: str
    unit: str
    formula: str
    sources: tuple[str, ...]
    compute: Callable[[History], float]
    history: int = 0
    asks: bool = False
    perceives: str = ""

    @property
    def optional(self) -> bool:
        """Whether a robot may lack it."""
        return bool(self.perceives)

    @property
    def column(self) -> Column:
        """As it stands in a contract."""
        return Column(self.name, self.unit, self.optional)


def _norm(vector: Array) -> float:
    return math.sqrt(vector.dot(vector))


def _finger_gap(history: History) -> float:
    return float(history[0].finger_position.sum())


def _of_step(compute: Callable[[Step], float]) -> Callable[[History, int], float]:
    """A distance of the step `back` steps ago; the next step asks for it again, for a speed."""

    def distance(history: History, back: int) -> float:
        step = history[back]
        known = step.known.get(compute.__name__)
        if known is None:
            known = step.known[compute.__name__] = compute(step)
        return known

    return distance


@_of_step
def _object_distance(step: Step) -> float:
    return _norm(step.perceived["object"][:3] - step.ee_position)


@_of_step
def _bin_distance(step: Step) -> float:
    return _norm((step.perceived["bin"][:3] - step.ee_position)[:2])


@_of_step
def _clearance(step: Step) -> float:
    """Horizontal distance [m] from the gripper to the footprint of the obstacle's box."""
    x, y, _, qx, qy, qz, qw, size_x, size_y, _ = step.perceived["obstacle"]
    # The box stands upright: of its rotation only the yaw matters, nor does the quaternion's norm.
    yaw = np.arctan2(2 * (qw * qz + qx * qy), qw * qw + qx * qx - qy * qy - qz * qz)
    cosine, sine = np.cos(yaw), np.sin(yaw)
    dx, dy = step.ee_position[0] - x, step.ee_position[1] - y
    beyond_x = max(abs(cosine * dx + sine * dy) - size_x / 2, 0.0)
    beyond_y = max(abs(cosine * dy - sine * dx) - size_y / 2, 0.0)
    return float(np.hypot(beyond_x, beyond_y))


def _height_margin(history: History) -> float:
    obstacle = history[0].perceived["obstacle"]
    return float(history[0].ee_position[2] - (obstacle[2] + obstacle[9] / 2))


def _velocity(history: History) -> Array:
    return (history[0].ee_position - history[1].ee_position) / history.step_period


def _closing_speed(history: History, distance: Callable[[History, int], float]) -> float:
    return (distance(history, 1) - distance(history, 0)) / history.step_period


ROBOT_SIGNALS: Final = (
    Signal(
        "action_magnitude",
        "1",
        "Norm of the motion asked for at t, each component over half its range. In delta_ee the "
        "motion is the action; in joint_position it is the target minus the measured joints.",
        ("action", "joint*.position"),
        lambda h: _norm(h[0].action.motion),
        asks=True,
    ),
    Signal(
        "action_change",
        "1",
        "Norm of the motion asked for at t minus that asked for at t-1, scaled as above.",
        ("action", "joint*.position"),
        lambda h: _norm(h[0].action.motion - h[1].action.motion),
        history=1,
        asks=True,
    ),
    Signal(
        "action_jerk",
        "1",
        "Norm of the second difference of the motion asked for: t, minus twice t-1, plus t-2.",
        ("action", "joint*.position"),
        lambda h: _norm(h[0].action.motion - 2 * h[1].action.motion + h[2].action.motion),
        history=2,
        asks=True,
    ),
    Signal(
        "tracking_error",
        "1",
        f"Norm of the displacement that the actions of the last {TRACKING_STEPS} steps commanded, "
        "minus the displacement achieved from their start to t. In delta_ee the translation of the "
        "gripper, in joint_position the seven joints; each component over half its range.",
        ("action", "ee.x", "ee.y", "ee.z", "joint*.position"),
        lambda h: _norm(
            h.commanded_displacement(TRACKING_STEPS) - h.achieved_displacement(TRACKING_STEPS)
        ),
        history=TRACKING_STEPS + 1,
    ),
    Signal(
        "gripper_gap",
        "1",
        f"Commanded opening (0 closed, 1 open) minus the achieved width over {GRIPPER_WIDTH} m.",
        ("action.gripper", "finger_left.position", "finger_right.position"),
        lambda h: h[0].action.gripper - _finger_gap(h) / GRIPPER_WIDTH,
        asks=True,
    ),
    Signal(
        "gripper_width",
        "m",
        "Distance between the fingers.",
        ("finger_left.position", "finger_right.position"),
        _finger_gap,
    ),
    Signal(
        "gripper_width_rate",
        "m/s",
        "Speed at which the fingers part, as measured; negative while they close.",
        ("finger_left.velocity", "finger_right.velocity"),
        lambda h: float(h[0].finger_velocity.sum()),
    ),
    Signal(
        "gripper_command",
        "1",
        "Commanded opening, 0 closed to 1 open.",
        ("action.gripper",),
        lambda h: h[0].action.gripper,
        asks=True,
    ),
    Signal(
        "finger_effort",
        "N",
        "Mean of the efforts of the two fingers; negative closes.",
        ("finger_left.effort", "finger_right.effort"),
        lambda h: float(h[0].finger_effort.sum()) / 2,
    ),
    Signal(
        "joint_effort",
        "Nm",
        "Norm of the efforts of the seven arm joints.",
        ("joint*.effort",),
        lambda h: _norm(h[0].joint_effort),
    ),
    Signal(
        "joint_effort_change",
        "Nm",
        "Norm of the difference of those efforts between t and t-1.",
        ("joint*.effort",),
        lambda h: _norm(h[0].joint_effort - h[1].joint_effort),
        history=1,
    ),
    Signal(
        "ee_height",
        "m",
        "Height of the gripper in the base frame.",
        ("ee.z",),
        lambda h: float(h[0].ee_position[2]),
    ),
    Signal(
        "ee_vertical_velocity",
        "m/s",
        "Rise of the gripper between t-1 and t over the step period.",
        ("ee.z",),
        lambda h: float(_velocity(h)[2]),
        history=1,
    ),
    Signal(
        "ee_speed",
        "m/s",
        "Distance the gripper moved between t-1 and t over the step period.",
        ("ee.x", "ee.y", "ee.z"),
        lambda h: _norm(_velocity(h)),
        history=1,
    ),
    Signal(
        "object_distance",
        "m",
        "Horizontal distance from the gripper to the perceived object.",
        ("object.x", "object.y", "ee.x", "ee.y"),
        lambda h: _norm((h[0].perceived["object"][:3] - h[0].ee_position)[:2]),
        perceives="object",
    ),
    Signal(
        "object_relative_height",
        "m",
        "Height of the perceived object minus that of the gripper.",
        ("object.z", "ee.z"),
        lambda h: float(h[0].perceived["object"][2] - h[0].ee_position[2]),
        perceives="object",
    ),
    Signal(
        "object_height",
        "m",
        "Height of the perceived object in the base frame.",
        ("object.z",),
        lambda h: float(h[0].perceived["object"][2]),
        perceives="object",
    ),
    Signal(
        "object_closing_speed",
        "m/s",
        "Decrease of the distance (in space) from the gripper to the perceived object between t-1 "
        "and t, over the step period.",
        ("object.x", "object.y", "object.z", "ee.x", "ee.y", "ee.z"),
        lambda h: _closing_speed(h, _object_distance),
        history=1,
        perceives="object",
    ),
    Signal(
        "object_jump",
        "m",
        "Distance the perceived object moved between t-1 and t, whatever moved it.",
        ("object.x", "object.y", "object.z"),
        lambda h: _norm((h[0].perceived["object"] - h[1].perceived["object"])[:3]),
        history=1,
        perceives="object",
    ),
    Signal(
        "obstacle_clearance",
        "m",
        "Horizontal distance from the gripper to the footprint of the perceived obstacle's box, "
        "turned by its yaw; 0 above it.",
        ("obstacle.*", "ee.x", "ee.y"),
        lambda h: _clearance(h, 0),
        perceives="obstacle",
    ),
    Signal(
        "obstacle_height_margin",
        "m",
        "Height of the gripper above the top of the perceived obstacle's box; negative below.",
        ("obstacle.z", "obstacle.sz", "ee.z"),
        _height_margin,
        perceives="obstacle",
    ),
    Signal(
        "obstacle_closing_speed",
        "m/s",
        "Decrease of obstacle_clearance between t-1 and t, over the step period.",
        ("obstacle.*", "ee.x", "ee.y"),
        lambda h: _closing_speed(h, _clearance),
        history=1,
        perceives="obstacle",
    ),
    Signal(
        "bin_distance",
        "m",
        "Horizontal distance from the gripper to the centre of the perceived bin.",
        ("bin.x", "bin.y", "ee.x", "ee.y"),
        lambda h: _bin_distance(h, 0),
        perceives="bin",
    ),
    Signal(
        "bin_closing_speed",
        "m/s",
        "Decrease of bin_distance between t-1 and t, over the step period.",
        ("bin.x", "bin.y", "ee.x", "ee.y"),
        lambda h: _closing_speed(h, _bin_distance),
        history=1,
        perceives="bin",
    ),
)
"""Every signal that the robot itself gives, in the order of the arrays."""

ROBOT_SIGNAL_COLUMNS: Final = tuple(signal.column for signal in ROBOT_SIGNALS)
"""The same as columns of a contract."""

PERCEIVING: Final = tuple(signal for signal in ROBOT_SIGNALS if signal.perceives)
"""Those about objects. A policy that looks for itself gives them, as only it knows what it sees."""


def robot_part(columns: Sequence[Column]) -> tuple[Signal, ...]:
    """The signals that the robot gives where these columns are not the policy's.

    Raises:
        ContractMismatchError: they are neither all of ROBOT_SIGNALS nor those that are not about
            objects, in this order and unit; names those that differ.
    """
    for signals in (ROBOT_SIGNALS, tuple(s for s in ROBOT_SIGNALS if not s.perceives)):
        if tuple(signal.column for signal in signals) == tuple(columns):
            return signals
    names = {column.name for column in columns} ^ {column.name for column in ROBOT_SIGNAL_COLUMNS}
    raise ContractMismatchError(
        "the contract's signals of the robot are not those of this version; they differ in "
        f"{', '.join(sorted(names)) or 'order or unit'}"
    )


def signals_table() -> str:
    """The definitions as a Markdown table."""
    rows = [
        "| Signal | Unit | Definition | From | Optional | Steps of history |",
        "|---|---|---|---|---|---|",
    ]
    rows += [
        f"| `{s.name}` | {s.unit} | {s.formula} | {', '.join(f'`{c}`' for c in s.sources)} "
        f"| {'yes' if s.optional else 'no'} | {s.history} |"
        for s in ROBOT_SIGNALS
    ]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(signals_table(), end="")
