"""Signals of what the cameras show, beside and against what the policy perceives and intends."""

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.perception.targets import (
    OBJECT,
    OBSTACLE,
    in_base_frame,
    in_gripper_frame,
    rotation,
)
from salus_collector.policy.intent import Plan, box_distance
from salus_data.contract import Column
from salus_data.layout import EE_POSITION, EE_QUATERNION, object_slice
from salus_data.types import Validity

if TYPE_CHECKING:
    from salus_collector.perception.localiser import Sighting

Array = NDArray[np.float64]

OBSTACLE_WIDTH: Final = 0.06
"""Side of the obstacle's footprint [m] that is assumed: the localiser tells its centre and top."""

VISUAL_SIGNALS: Final = (
    ("seen_object_x", "m", "Object's centre in the gripper's frame, across the fingers' motion."),
    ("seen_object_y", "m", "Object's centre in the gripper's frame, along the fingers' motion."),
    ("seen_object_z", "m", "Object's centre in the gripper's frame, ahead of the fingertips."),
    ("seen_object_doubt", "m", "Standard deviation the localiser gives the object's position."),
    ("seen_obstacle", "1", "Probability that the cameras show an obstacle."),
    ("seen_object_gap", "m", "Distance from the object as the cameras show it to the perceived."),
    (
        "seen_obstacle_clearance",
        "m",
        f"Horizontal gap from gripper to obstacle, as shown; its footprint is taken as "
        f"{OBSTACLE_WIDTH} m wide.",
    ),
    ("seen_obstacle_margin", "m", "Height of the gripper over the obstacle's top, as shown."),
    (
        "seen_planned_clearance",
        "m",
        "Least distance from the planned path to the obstacle's box, as shown.",
    ),
    (
        "seen_planned_object_x",
        "m",
        "As `seen_object_x`, from where the plan first closes the gripper, or ends.",
    ),
    ("seen_planned_object_y", "m", "As `seen_object_y`, from there."),
    ("seen_planned_object_z", "m", "As `seen_object_z`, from there."),
)
"""Name, unit and definition of each, in the order of the arrays."""

REQUIRED: Final = 5
"""The first ones always have a value."""

VISUAL_COLUMNS: Final = tuple(
    Column(name, unit, optional=k >= REQUIRED) for k, (name, unit, _) in enumerate(VISUAL_SIGNALS)
)

_BELIEVED: Final = object_slice("object")


def visual_signals(
    sighting: "Sighting", state: Array, perceived: Array, plan: Plan | None = None
) -> tuple[Array, NDArray[np.uint8]]:
    """The signals of one step: values (12,), NaN where there is none, and the reasons (12,).

    Args:
        sighting: of this step's images, with what earlier ones showed of the things that stand.
        state: (34,) as `layout.STATE`.
        perceived: (30,) as `layout.PERCEIVED`.
        plan: what the policy intends; None where it tells no plan.
    """
    values = np.full(len(VISUAL_SIGNALS), np.nan)
    validity = np.full(len(VISUAL_SIGNALS), Validity.VALID, np.uint8)
    seen = sighting.values[OBJECT]
    values[:3] = seen
    values[3] = np.linalg.norm(sighting.doubt[OBJECT])
    values[4] = sighting.obstacle
    values[5] = np.linalg.norm(seen - in_gripper_frame(perceived[_BELIEVED][:3], state))
    here = state[EE_POSITION]
    if sighting.obstacle >= 0.5:
        seen_box = sighting.values[OBSTACLE]
        centre, top, half = seen_box[:2], seen_box[2], OBSTACLE_WIDTH / 2
        values[6] = box_distance(here[None], centre, half, np.inf)[0]
        values[7] = here[2] - top
        if plan is not None:
            values[8] = box_distance(plan.path, centre, half, top).min()
    if plan is not None:
        turn = rotation(state[EE_QUATERNION])
        values[9:] = turn.T @ (in_base_frame(seen, state) - plan.path[plan.closing])
    validity[~np.isfinite(values)] = Validity.NOT_PERCEIVED
    if plan is None:
        validity[8:] = Validity.NOT_PROVIDED
    return values, validity
