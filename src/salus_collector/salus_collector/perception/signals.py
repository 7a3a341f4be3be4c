"""Signals of what the cameras show, beside and against what the policy perceives."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.perception.localiser import Sighting
from salus_collector.perception.targets import in_gripper_frame
from salus_data.contract import Column
from salus_data.layout import object_slice
from salus_data.types import Validity

Array = NDArray[np.float64]

VISUAL_SIGNALS: Final = (
    ("seen_object_x", "m", "Object's centre in the gripper's frame, across the fingers' motion."),
    ("seen_object_y", "m", "Object's centre in the gripper's frame, along the fingers' motion."),
    ("seen_object_z", "m", "Object's centre in the gripper's frame, ahead of the fingertips."),
    ("seen_object_doubt", "m", "Standard deviation the localiser gives the object's position."),
    ("seen_object_gap", "m", "Distance from the object as the cameras show it to the perceived."),
    ("seen_obstacle", "1", "Probability that the cameras show an obstacle."),
    ("seen_obstacle_clearance", "m", "Horizontal gap from gripper to obstacle, as shown."),
    ("seen_obstacle_margin", "m", "Height of the gripper over the obstacle's top, as shown."),
)
"""Name, unit and definition of each, in the order of the arrays."""

VISUAL_COLUMNS: Final = tuple(
    Column(name, unit, optional=name in ("seen_object_gap", *(n for n, _, _ in VISUAL_SIGNALS[6:])))
    for name, unit, _ in VISUAL_SIGNALS
)

_OBJECT: Final = object_slice("object")


def visual_signals(
    sighting: Sighting, state: Array, perceived: Array
) -> tuple[Array, NDArray[np.uint8]]:
    """The signals of one step: values (8,), NaN where there is none, and the reasons (8,).

    Args:
        sighting: of this step's images.
        state: (34,) as `layout.STATE`.
        perceived: (30,) as `layout.PERCEIVED`.
    """
    believed = perceived[_OBJECT][:3]
    gap = float(np.linalg.norm(sighting.lengths[:3] - in_gripper_frame(believed, state)))
    there = sighting.obstacle >= 0.5
    values = np.array(
        [
            *sighting.lengths[:3],
            float(np.linalg.norm(sighting.doubt[:3])),
            gap,
            sighting.obstacle,
            *(sighting.lengths[3:] if there else (np.nan, np.nan)),
        ]
    )
    validity = np.where(np.isfinite(values), Validity.VALID, Validity.NOT_PERCEIVED)
    return values, validity.astype(np.uint8)
