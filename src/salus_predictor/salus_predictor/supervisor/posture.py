"""Where the arm is, as the supervisor needs it."""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from salus_data.layout import EE_POSITION, EE_QUATERNION, POSITION
from salus_data.signals import GRIPPER_WIDTH

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Posture:
    """One measured posture.

    Attributes:
        joints: (7,) rad.
        position: (3,) m, of the gripper in the base frame.
        quaternion: (4,) xyzw.
        width: m between the fingers.
    """

    joints: Array
    position: Array
    quaternion: Array
    width: float

    @classmethod
    def from_state(cls, state: Array) -> "Posture":
        """From a state (34,) as `salus_data.layout.STATE`."""
        position = state[POSITION]
        return cls(
            position[:7], state[EE_POSITION], state[EE_QUATERNION], float(position[7:].sum())
        )

    @cached_property
    def finite(self) -> bool:
        """Whether every number is one; asked for several times a step."""
        parts = (self.joints, self.position, self.quaternion)
        numbers = chain([self.width], *(part.tolist() for part in parts))
        return all(map(math.isfinite, numbers))

    @property
    def opening(self) -> float:
        """The measured opening of the hand, 0 closed to 1 open."""
        return float(np.clip(self.width / GRIPPER_WIDTH, 0.0, 1.0))

    def turn_to(self, quaternion: Array) -> Array:
        """Rotation vector (3,) rad, in the base frame, from here to an orientation xyzw."""
        x1, y1, z1, w1 = quaternion
        x0, y0, z0, w0 = self.quaternion * (-1, -1, -1, 1)  # the inverse
        vector = np.array(
            [
                w1 * x0 + x1 * w0 + y1 * z0 - z1 * y0,
                w1 * y0 - x1 * z0 + y1 * w0 + z1 * x0,
                w1 * z0 + x1 * y0 - y1 * x0 + z1 * w0,
            ]
        )
        scalar = float(w1 * w0 - x1 * x0 - y1 * y0 - z1 * z0)
        if scalar < 0:  # the shorter way round
            vector, scalar = -vector, -scalar
        length = float(np.linalg.norm(vector))
        angle = 2 * np.arctan2(length, scalar)
        turn: Array = vector * (angle / length) if length > 0 else np.zeros(3)
        return turn
