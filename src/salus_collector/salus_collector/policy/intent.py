"""Where the policy intends to go, and what is there: its plan as signals.

A chunk says more than its first action: where the fingers will close, how low the hand will go,
what is in the way. Every plan is cut to the same length, so that a signal does not tell how old
the chunk is.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.policy.chunk_path import chunk_positions
from salus_data.action_space import ActionSpace
from salus_data.contract import Column
from salus_data.layout import object_slice
from salus_data.types import Validity

Array = NDArray[np.float64]

PLAN_STEPS: Final = 12
"""Steps of a plan that are looked at, this one included."""

HALF_OPEN: Final = 0.5
"""Gripper command that parts closing from opening; 0 closed, 1 open."""


@dataclass(frozen=True)
class Plan:
    """What the policy intends for the next L = PLAN_STEPS steps.

    Attributes:
        path: (L + 1, 3) m, the gripper's positions in the base frame, the present one first, as
            if the arm followed at once.
        closing: steps until the first command that closes the gripper; L where none does.
        opening: the same for opening.
    """

    path: Array
    closing: int
    opening: int


INTENT_SIGNALS: Final = (
    ("planned_closing", "s", "Time until the plan first has the gripper closed."),
    ("planned_opening", "s", "Time until the plan first has the gripper open."),
    ("planned_height", "m", "Least height of the planned path in the base frame."),
    ("planned_travel", "m", "Distance between both ends of the planned path."),
    (
        "planned_object_distance",
        "m",
        "Horizontal distance from the perceived object to where the plan first closes the "
        "gripper, or ends.",
    ),
    ("planned_object_height", "m", "Height of the perceived object over that place."),
    (
        "planned_bin_distance",
        "m",
        "Horizontal distance from the perceived bin to where the plan first opens the gripper, "
        "or ends.",
    ),
    (
        "planned_clearance",
        "m",
        "Least distance from the planned path to the perceived obstacle's box.",
    ),
)
"""Name, unit and definition of each, in the order of the arrays."""

INTENT_COLUMNS: Final = tuple(Column(name, unit, True) for name, unit, _ in INTENT_SIGNALS)

_OBJECT, _OBSTACLE, _BIN = (object_slice(name) for name in ("object", "obstacle", "bin"))


def plan_ahead(space: ActionSpace, position: Array, intended: Array | None) -> Plan | None:
    """The plan in `intended` (T, D), this step's action first, from `position` (3,) m.

    Returns:
        None for a plan shorter than PLAN_STEPS, or actions that say nothing of the position.
    """
    if intended is None or len(intended) < PLAN_STEPS:
        return None
    path = chunk_positions(space, position, intended[:PLAN_STEPS])
    if path is None:
        return None
    closed = intended[:PLAN_STEPS, -1] < HALF_OPEN
    return Plan(path, _first(closed), _first(~closed))


def _first(asked: NDArray[np.bool_]) -> int:
    return int(asked.argmax()) if asked.any() else len(asked)


def box_distance(path: Array, centre: Array, half: Array | float, top: float) -> Array:
    """Distances (L,) [m] from points (L, 3) to an upright box that stands on the ground.

    Args:
        path: of the points.
        centre: (2,) m of the box.
        half: half its extents along x and y [m].
        top: its height [m].
    """
    beyond = np.maximum(np.abs(path[:, :2] - centre) - half, 0.0)
    above = np.maximum(path[:, 2] - top, 0.0)
    distance: Array = np.sqrt((beyond * beyond).sum(axis=1) + above * above)
    return distance


def intent_signals(
    plan: Plan | None, perceived: Array, period: float
) -> tuple[Array, NDArray[np.uint8]]:
    """The signals of one step: values (8,), NaN where there is none, and the reasons (8,).

    Args:
        plan: None where there is none.
        perceived: (30,) as `layout.PERCEIVED`.
        period: seconds between two steps.
    """
    values = np.full(len(INTENT_SIGNALS), np.nan)
    if plan is None:
        return values, np.full(len(values), Validity.NOT_PROVIDED, np.uint8)
    closing, opening = plan.path[plan.closing], plan.path[plan.opening]
    cube, box, container = (perceived[part] for part in (_OBJECT, _OBSTACLE, _BIN))
    values[0] = plan.closing * period
    values[1] = plan.opening * period
    values[2] = plan.path[:, 2].min()
    values[3] = np.linalg.norm(plan.path[-1] - plan.path[0])
    values[4] = np.linalg.norm(cube[:2] - closing[:2])
    values[5] = cube[2] - closing[2]
    values[6] = np.linalg.norm(container[:2] - opening[:2])
    if np.isfinite(box).all():
        top = box[2] + box[9] / 2
        values[7] = box_distance(plan.path, box[:2], box[7:9] / 2, top).min()
    missing = ~np.isfinite(values)
    return values, np.where(missing, Validity.NOT_PERCEIVED, Validity.VALID).astype(np.uint8)
