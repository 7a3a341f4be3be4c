"""The path the arm came along: recorded while the policy moves it, gone back when it retreats."""

import math
from collections import deque
from operator import sub
from typing import Final

from salus_predictor.supervisor.posture import Posture

LONGEST: Final = 600
"""Postures kept; 20 s at 30 Hz."""
SPACING: Final = 0.001
"""Metres the gripper, or radians a joint, must have moved for a new posture."""
REACHED: Final = 0.008
"""A posture counts as reached within so many metres and radians: the lag of a slow retreat."""


class Path:
    """The postures of the present episode, oldest first."""

    def __init__(self) -> None:
        self._postures: deque[Posture] = deque(maxlen=LONGEST)

    def __len__(self) -> int:
        return len(self._postures)

    def clear(self) -> None:
        """Forget everything, as at the start of an episode."""
        self._postures.clear()

    def record(self, posture: Posture) -> None:
        """Append where the arm is, unless it has hardly moved."""
        if not self._postures or not _near(self._postures[-1], posture, SPACING):
            self._postures.append(posture)

    def back_from(self, posture: Posture) -> Posture | None:
        """The posture to go back to next; None where the path has been gone back whole.

        Postures that are reached are taken from the path, so the arm never turns round on it.
        """
        while self._postures and _near(self._postures[-1], posture, REACHED):
            self._postures.pop()
        return self._postures[-1] if self._postures else None


def _near(one: Posture, other: Posture, distance: float) -> bool:
    # In plain numbers: of arrays this short each operation costs more than all of them here.
    turns = map(sub, one.joints.tolist(), other.joints.tolist())
    return (
        math.dist(one.position.tolist(), other.position.tolist()) < distance
        and max(map(abs, turns)) < 5 * distance
    )
