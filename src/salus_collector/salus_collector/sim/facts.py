"""What physics says of one control step, in the terms of the event rules; no simulator in it."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StepFacts:
    """One control step of S substeps; step, position and speeds are those at its end.

    Attributes:
        step: the row this step leads to, 1 or more.
        robot_force: (S,) force between robot and furniture at each substep [N].
        object_force: (S,) force between the object and the obstacle [N].
        bodies: the pair in the strongest contact; empty without one.
        fingers: (S,) fingers that touch the object at each substep, 0 to 2.
        clearance: height of the object's lowest point over what it lay on [m].
        landed: the object touches something that is neither robot nor goal.
        in_goal: the object is inside the goal region.
        object_speed: [m/s].
        object_width: the narrowest the fingers can be around the object [m].
        opening: distance between the fingers [m].
        opening_speed: its rate of change [m/s], any sign.
        closing: the hand is told to close.
        gripper: (3,) position of the point between the fingertips [m].
        reach: its distance from the object's centre [m].
        milestones: those whose condition holds now, reached before or not.
        object_name: as the report shall call the object.
        over_goal: the object is over the goal region, at any height.
    """

    step: int
    robot_force: Array
    object_force: Array
    fingers: NDArray[np.int64]
    clearance: float
    landed: bool
    in_goal: bool
    object_speed: float
    object_width: float
    opening: float
    opening_speed: float
    closing: bool
    gripper: Array
    reach: float
    bodies: tuple[str, ...] = ()
    milestones: tuple[str, ...] = field(default=())
    object_name: str = "object"
    over_goal: bool = False

    @cached_property
    def touched(self) -> bool:
        """Whether a finger touched the object at any substep."""
        return bool(self.fingers.any())
