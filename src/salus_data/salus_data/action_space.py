"""Action spaces: what the numbers of an action mean, and their limits.

An action is a vector (D,). Every space ends with the gripper opening, 0 closed to 1 open.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import ActionError, UnknownNameError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ActionSpace:
    """A named action space; `names`, `units`, `low` and `high` have one entry a component."""

    name: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @cached_property
    def _bounds(self) -> tuple[Array, Array]:
        """The limits as arrays: every step is checked, and np.clip makes them anew."""
        return np.array(self.low), np.array(self.high)

    @property
    def size(self) -> int:
        """The number of components D, the gripper included."""
        return len(self.names)

    def check(self, action: object, *, step: int | None = None) -> Array:
        """Return the action as (D,) float64, clipped to the limits.

        Raises:
            ActionError: the shape is wrong or a component is not finite.
        """
        value = self.require(action, step=step)
        low, high = self._bounds
        clipped: Array = np.minimum(np.maximum(value, low), high)
        return clipped

    def require(self, action: object, *, step: int | None = None) -> Array:
        """Return the action as (D,) float64, whether or not it is within the limits.

        Raises:
            ActionError: the shape is wrong or a component is not finite.
        """
        where = "" if step is None else f" at step {step}"
        try:
            value = np.asarray(action, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ActionError(f"action{where} is not a vector of numbers: {action!r}") from error
        if value.shape != (self.size,):
            raise ActionError(
                f"action{where} has shape {value.shape}; {self.name} takes ({self.size},): "
                + ", ".join(f"{n} [{u}]" for n, u in zip(self.names, self.units, strict=True))
            )
        if not all(map(math.isfinite, value.tolist())):
            bad = [n for n, v in zip(self.names, value, strict=True) if not np.isfinite(v)]
            raise ActionError(f"action{where} is not finite in {', '.join(bad)}: {value.tolist()}")
        return value

    def hold(self, *, joint_position: Array, gripper: float) -> Array:
        """The action that keeps the arm where it is, with `gripper` [0, 1] as last commanded.

        Args:
            joint_position: (7,) rad, where the arm is; read only in `joint_position`.
            gripper: the last commanded opening; a hold never opens or closes the hand.
        """
        if self.name == JOINT_POSITION.name:
            return np.append(joint_position, gripper)
        return np.append(np.zeros(self.size - 1), gripper)

    def to_json(self) -> dict[str, Any]:
        """The space as plain data, for a contract."""
        return {
            "name": self.name,
            "names": list(self.names),
            "units": list(self.units),
            "low": list(self.low),
            "high": list(self.high),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(
            data["name"],
            tuple(data["names"]),
            tuple(data["units"]),
            tuple(data["low"]),
            tuple(data["high"]),
        )


DELTA_EE: Final = ActionSpace(
    "delta_ee",
    ("dx", "dy", "dz", "rx", "ry", "rz", "gripper"),
    ("m", "m", "m", "rad", "rad", "rad", "1"),
    (-0.025, -0.025, -0.025, -0.1, -0.1, -0.1, 0.0),
    (0.025, 0.025, 0.025, 0.1, 0.1, 0.1, 1.0),
)
"""Translation and rotation vector of the gripper per step, in the base frame, and the opening."""

JOINT_POSITION: Final = ActionSpace(
    "joint_position",
    (*(f"joint{i}" for i in range(1, 8)), "gripper"),
    (*("rad" for _ in range(7)), "1"),
    (-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973, 0.0),
    (2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973, 1.0),
)
"""Absolute targets of the seven joints (limits of the Panda), and the opening."""

NO_ACTION: Final = ActionSpace("none", (), (), (), ())
"""Of recordings without actions, such as imported step logs; `action` is then absent."""

ACTION_SPACES: Final = {space.name: space for space in (DELTA_EE, JOINT_POSITION)}


def action_space(name: str) -> ActionSpace:
    """The action space of that name.

    Raises:
        UnknownNameError: there is none.
    """
    try:
        return ACTION_SPACES[name]
    except KeyError:
        raise UnknownNameError("action space", name, ACTION_SPACES) from None
