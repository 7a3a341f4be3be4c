"""What a state emits, by action space.

A zero vector is no stop where actions are absolute, nor is a scaled target a slower one: every
command is made from where the arm is. None moves a joint or the gripper further from there than the
proposed action would, except a retreat, which goes towards a posture that the arm came from.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.action_space import JOINT_POSITION, ActionSpace
from salus_data.errors import ActionError
from salus_data.signals import GRIPPER_WIDTH
from salus_data.types import SupervisorStatus
from salus_predictor.supervisor.config import Retreat
from salus_predictor.supervisor.path import Path
from salus_predictor.supervisor.posture import Posture

Array = NDArray[np.float64]

EMPTY_WIDTH: Final = 0.008
"""Fingers this close [m] with the hand told to close hold nothing."""


class Commands:
    """Makes the action of each state; one episode after the other.

    Attributes:
        retreat_over: the retreat under way has gone its distance, or the path is at its end.
    """

    def __init__(
        self, space: ActionSpace, step_period: float, retreat: Retreat, slow_factor: float
    ) -> None:
        self._space, self._period = space, step_period
        self._retreat, self._slow_factor = retreat, slow_factor
        self._absolute = space.name == JOINT_POSITION.name
        self._path = Path()
        self.begin()

    def begin(self) -> None:
        """Begin an episode: no path, no gripper command yet."""
        self._path.clear()
        self._gripper: float | None = None
        self._gone = 0.0
        self._retreat_steps = 0
        self._before: Posture | None = None
        self.retreat_over = False

    @property
    def gripper_known(self) -> bool:
        """Whether the hand was told something in this episode, which a hold repeats."""
        return self._gripper is not None

    def command(
        self,
        status: SupervisorStatus,
        proposed: Array | None,
        posture: Posture | None,
        *,
        open_empty_hand: bool = False,
    ) -> Array:
        """The action (D,) of that state.

        Args:
            status: what is to be done.
            proposed: (D,) of the policy; None where there is none that can be used.
            posture: where the arm is; None where it is not known.
            open_empty_hand: a retreat opens the hand where it holds nothing.

        Raises:
            ActionError: no action can be made without the one or the other.
        """
        if posture is not None and not posture.finite:
            posture = None
        if status is not SupervisorStatus.RETREATING:
            self._end_retreat()
        match status:
            case SupervisorStatus.NORMAL:
                action = self._checked(proposed)
            case SupervisorStatus.SLOWED:
                action = self._slow(self._checked(proposed), posture)
            case SupervisorStatus.RETREATING if posture is not None:
                action = self._go_back(posture, open_empty_hand)
            case _:
                action = self._hold(posture, proposed)
        moves_on = status in (SupervisorStatus.NORMAL, SupervisorStatus.SLOWED)
        if moves_on and posture is not None:
            self._path.record(posture)
        self._gripper = float(action[-1])
        return action

    def _checked(self, proposed: Array | None) -> Array:
        if proposed is None:
            raise ActionError("there is no proposed action to let through")
        self._space.require(proposed)
        return proposed

    def _hold(self, posture: Posture | None, proposed: Array | None) -> Array:
        gripper = self._gripper
        if gripper is None:
            gripper = posture.opening if posture is not None else _last(proposed)
        if self._absolute and posture is None:
            raise ActionError(
                f"cannot hold in {self._space.name}: where the joints are is not known"
            )
        joints = posture.joints if posture is not None else np.empty(0)
        held = self._space.hold(joint_position=joints, gripper=gripper)
        return np.clip(held, self._space.low, self._space.high)

    def _slow(self, proposed: Array, posture: Posture | None) -> Array:
        action = np.clip(proposed, self._space.low, self._space.high)
        if not self._absolute:
            action[:-1] *= self._slow_factor
            return action
        if posture is None:
            return self._hold(posture, proposed)
        start = np.clip(posture.joints, self._space.low[:-1], self._space.high[:-1])
        action[:-1] = start + self._slow_factor * (action[:-1] - start)
        return action

    def _go_back(self, posture: Posture, open_empty_hand: bool) -> Array:
        if self._before is not None:
            self._gone += float(np.linalg.norm(posture.position - self._before.position))
        self._before = posture
        self._retreat_steps += 1
        goal = self._path.back_from(posture)
        # A blocked arm does not get there: it gives up after twice the time that it should take.
        patience = 2 * self._retreat.distance / (self._retreat.speed * self._period)
        if goal is None or self._gone >= self._retreat.distance or self._retreat_steps > patience:
            self.retreat_over = True
            return self._hold(posture, None)
        action = self._hold(posture, None)
        if self._absolute:
            reach = self._retreat.joint_speed * self._period
            way = goal.joints - posture.joints
            action[:-1] = posture.joints + way * min(
                1.0, reach / max(float(np.abs(way).max()), 1e-9)
            )
        else:
            way = goal.position - posture.position
            length = float(np.linalg.norm(way))
            share = min(1.0, self._retreat.speed * self._period / max(length, 1e-9))
            action[:3] = way * share
            action[3:6] = posture.turn_to(goal.quaternion) * share
            action[:-1] *= _within(action[:-1], self._space)
        if open_empty_hand and self._gripper is not None and self._is_empty(posture):
            action[-1] = 1.0
        return np.clip(action, self._space.low, self._space.high)

    def _is_empty(self, posture: Posture) -> bool:
        told_open = self._gripper is not None and self._gripper >= 0.5
        return told_open or posture.width < min(EMPTY_WIDTH, GRIPPER_WIDTH)

    def _end_retreat(self) -> None:
        self._gone, self._retreat_steps, self._before = 0.0, 0, None
        self.retreat_over = False


def _last(proposed: Array | None) -> float:
    """The proposed opening, where nothing was commanded and nothing is measured."""
    value = float(proposed[-1]) if proposed is not None and proposed.size else math.nan
    if not math.isfinite(value):
        raise ActionError("cannot hold: neither the hand's opening nor a command for it is known")
    return min(1.0, max(0.0, value))


def _within(motion: Array, space: ActionSpace) -> float:
    """The largest share of a motion, up to 1, that every limit of the space allows."""
    limit = np.where(motion < 0, -np.array(space.low[:-1]), np.array(space.high[:-1]))
    with np.errstate(all="ignore"):
        shares = np.where(motion == 0, np.inf, limit / np.abs(motion))
    return float(min(1.0, shares.min()))
