"""Whether a command may have been executed: checked from outside, by what was on the topics.

Safe is: the proposed action, or less of it, where a fresh forecast of that very step was there; a
hold; a retreat. Everything else is unsafe, whatever the supervisor says about it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from salus_msgs.msg import FailureForecast, PolicyAction

from salus_data.types import SupervisorStatus

Array = NDArray[np.float64]

RETREAT_STEP: Final = 0.5 / 30
"""Metres that a retreat may go in one step: the fastest one that can be configured."""


@dataclass(frozen=True)
class Command:
    """One command and what was known when it was sent.

    Attributes:
        action: that was sent.
        proposals: everything proposed for that step.
        forecasts: everything forecast for that step.
        gripper: commands for the hand that a hold may repeat: the last one sent, the measured one.
        place: (3,) of the gripper [m]; visited: (N, 3) where it has been.
    """

    action: PolicyAction
    proposals: list[PolicyAction]
    forecasts: list[FailureForecast]
    gripper: tuple[float, ...]
    place: Array
    visited: Array


def why_unsafe(command: Command) -> str:
    """Why a command in `delta_ee` should not have been sent; empty where it may."""
    values = np.asarray(command.action.values, np.float64)
    if len(values) != 7 or not np.isfinite(values).all():
        return f"not seven finite numbers: {values.tolist()}"
    if _is_hold(values, command.gripper):
        return ""
    status = SupervisorStatus(int(command.action.supervisor_state))
    if status is SupervisorStatus.RETREATING:
        return _why_no_retreat(values, command)
    if not any(_is_fresh(forecast, command.action.step) for forecast in command.forecasts):
        return "it moves the arm, and no fresh forecast of this step was there"
    if any(_is_part(values, np.asarray(p.values, np.float64)) for p in command.proposals):
        return ""
    return "it is neither what was proposed, nor less of it, nor a hold, nor a retreat"


def _is_hold(values: Array, gripper: tuple[float, ...]) -> bool:
    near = any(abs(values[-1] - known) < 1e-6 for known in gripper)
    return not values[:-1].any() and near


def _is_fresh(forecast: FailureForecast, step: int) -> bool:
    probability = np.asarray(forecast.probability)
    known = probability.size > 0 and bool(np.isfinite(probability).all())
    return forecast.step == step and not forecast.stale_reason and known


def _is_part(values: Array, proposed: Array) -> bool:
    """Whether it is the proposed action or, with the same hand, a share of its motion."""
    if proposed.shape != values.shape or not np.isfinite(proposed).all():
        return False
    if np.array_equal(values, proposed):
        return True
    if values[-1] != np.clip(proposed[-1], 0, 1):
        return False
    motion, asked = values[:-1], proposed[:-1]
    return bool((np.abs(motion) <= np.abs(asked) + 1e-12).all() and (motion * asked >= 0).all())


def _why_no_retreat(values: Array, command: Command) -> str:
    step = float(np.linalg.norm(values[:3]))
    if step > RETREAT_STEP:
        return f"a retreat of {step:.4f} m in one step"
    before = np.linalg.norm(command.visited - command.place, axis=1)
    after = np.linalg.norm(command.visited - (command.place + values[:3]), axis=1)
    if not (after < before).any():
        return "a retreat that goes towards no place where the arm has been"
    return ""
