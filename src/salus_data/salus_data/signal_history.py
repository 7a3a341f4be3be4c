"""The few steps of history from which the robot's own signals are computed."""

from collections import deque
from dataclasses import dataclass, field
from functools import reduce
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.action_space import JOINT_POSITION, ActionSpace
from salus_data.errors import FormatError
from salus_data.layout import (
    EE_POSITION,
    EFFORT,
    OBJECTS,
    PERCEIVED,
    POSITION,
    STATE,
    VELOCITY,
    object_slice,
)

Array = NDArray[np.float64]

DEPTH: Final = 6
"""Steps kept, the present one included."""

ARM: Final = slice(0, 7)
FINGERS: Final = slice(7, 9)

_OBJECT_SLICES: Final = tuple((name, object_slice(name)) for name in OBJECTS)


@dataclass(slots=True)
class Action:
    """What is asked of the robot at one step.

    Attributes:
        command: (D - 1,) the action without the gripper, each component over half its range.
        motion: (D - 1,) the motion it asks for, in the same scale: in `delta_ee` the command
            itself, in `joint_position` its distance from the measured joints.
        gripper: 0 closed to 1 open.
    """

    command: Array
    motion: Array
    gripper: float


@dataclass(slots=True)
class Step:
    """One step: the observation, and its action: the proposed one until `executed` corrects it.

    Attributes:
        joint_position, joint_effort: (7,) rad and Nm, of the arm.
        finger_position, finger_velocity, finger_effort: (2,) m, m/s and N.
        ee_position: (3,) m, of the gripper in the base frame.
        perceived: (10,) position, quaternion and extents of each of `layout.OBJECTS`.
        seen: for each of them, whether all ten numbers are there.
        asked: the action; None until one is proposed.
        known: what was computed of this observation alone and is asked for again, by name.
    """

    joint_position: Array
    joint_effort: Array
    finger_position: Array
    finger_velocity: Array
    finger_effort: Array
    ee_position: Array
    perceived: dict[str, Array]
    seen: dict[str, bool]
    asked: Action | None = None
    known: dict[str, float] = field(default_factory=dict)

    @property
    def action(self) -> Action:
        """The action of a step that has one."""
        assert self.asked is not None
        return self.asked


class History:
    """The last steps of an episode, the present one first; memory does not grow with time."""

    def __init__(self, action_space: ActionSpace, step_period: float) -> None:
        if not 0 < step_period < np.inf:
            raise FormatError(f"step_period is {step_period}; it must be above 0 s")
        self.step_period = step_period
        self._joint_targets = action_space.name == JOINT_POSITION.name
        self._size = action_space.size
        low = np.array(action_space.low[:-1], dtype=np.float64)
        high = np.array(action_space.high[:-1], dtype=np.float64)
        self._half_range: Array = (high - low) / 2
        self._center: Array = (high + low) / 2
        self._steps: deque[Step] = deque(maxlen=DEPTH)

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, back: int) -> Step:
        """The step `back` steps ago; 0 is the present one."""
        return self._steps[back]

    def clear(self) -> None:
        """Forget everything, as at the start of an episode."""
        self._steps.clear()

    def observe(self, state: Array, perceived: Array) -> None:
        """Begin a step with its observation; one that never got an action is forgotten.

        The arguments are those of `salus_data.robot_signals.RobotSignals.observe`.

        Raises:
            FormatError: an argument has the wrong shape.
        """
        _require_shape("state", state, len(STATE))
        _require_shape("perceived", perceived, len(PERCEIVED))
        self._forget_unasked()
        position, effort = state[POSITION], state[EFFORT]
        there = np.isfinite(perceived).reshape(len(OBJECTS), -1)
        self._steps.appendleft(
            Step(
                joint_position=position[ARM],
                joint_effort=effort[ARM],
                finger_position=position[FINGERS],
                finger_velocity=state[VELOCITY][FINGERS],
                finger_effort=effort[FINGERS],
                ee_position=state[EE_POSITION],
                perceived={name: perceived[part] for name, part in _OBJECT_SLICES},
                seen={name: bool(row.all()) for name, row in zip(OBJECTS, there, strict=True)},
            )
        )

    def propose(self, action: Array) -> None:
        """Give the present step the action that is proposed on it, (D,).

        Raises:
            FormatError: it has the wrong shape, or there is no observation without an action.
        """
        _require_shape("action", action, self._size)
        if not self._steps or self[0].asked is not None:
            raise FormatError("an action was proposed before its step was observed")
        self._ask(self[0], action)

    def executed(self, action: Array) -> None:
        """Put the action that was executed in the place of the last proposed one.

        Raises:
            FormatError: it has the wrong shape, or there is no step yet.
        """
        _require_shape("action", action, self._size)
        self._forget_unasked()
        if not self._steps:
            raise FormatError("an action was executed before the first step")
        self._ask(self[0], action)

    def _ask(self, step: Step, action: Array) -> None:
        command, motion = self._scaled(action[:-1], step.joint_position)
        step.asked = Action(command, motion, float(action[-1]))

    def _forget_unasked(self) -> None:
        if self._steps and self[0].asked is None:
            self._steps.popleft()

    def _scaled(self, target: Array, joints: Array) -> tuple[Array, Array]:
        # A joint target counts from the middle of its range, so that 0 has no special meaning.
        if self._joint_targets:
            return (target - self._center) / self._half_range, (target - joints) / self._half_range
        motion = target / self._half_range
        return motion, motion

    def commanded_displacement(self, steps: int) -> Array:
        """How far the actions executed in the last `steps` steps were to move, in their scale."""
        if self._joint_targets:
            return self[1].action.command - self[1 + steps].action.command
        total: Array = reduce(
            np.add, [self[back].action.command[:3] for back in range(1, steps + 1)]
        )
        return total

    def achieved_displacement(self, steps: int) -> Array:
        """How far the robot moved in the last `steps` steps, in the scale of the action."""
        if self._joint_targets:
            return (self[0].joint_position - self[steps].joint_position) / self._half_range
        return (self[0].ee_position - self[steps].ee_position) / self._half_range[:3]


def _require_shape(name: str, value: Array, size: int) -> None:
    if value.shape != (size,):
        raise FormatError(f"{name} has shape {value.shape}; the robot's signals take ({size},)")
