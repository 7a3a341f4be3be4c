"""Episodes that need not be run: the arms of a seed are the same until somebody intervenes.

A supervised episode in which no action was changed is the episode without a supervisor, and an
episode without one is that of the random arm where its timetable asks for nothing. One seed of
`CHECKED` is run in every arm all the same: there the pairs are compared
(`untouched_pairs_that_differ`).
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from salus.closed_loop.rows import OFF, RANDOM, SUPERVISED, Row
from salus.closed_loop.timetable import Timetable
from salus_collector.sim.world import CONTROL_STEP
from salus_data.types import FailureType

CHECKED: Final = 8
"""One seed of so many is run in every arm."""

type Rows = Mapping[tuple[str, int], Row]


def shared_off(rows: Rows, index: int, aftermath: float) -> Row | None:
    """The row without a supervisor, where the supervised one says all of it; else None.

    Args:
        rows: of the supervised arm, by arm and index.
        index: of the seed.
        aftermath: how long a collision is followed [s]; what is done in it is no spell of a row.
    """
    row = rows.get((SUPERVISED, index))
    if row is None or index % CHECKED == 0 or row.spells:
        return None
    if aftermath and row.end == FailureType.COLLISION.name.lower():
        return None
    return replace(row, arm=OFF)


def shared_random(
    rows: Rows, index: int, aftermath: float, timetable: Timetable, pool: str
) -> Row | None:
    """The row with random times, where none of them falls into the episode; else None.

    Args:
        rows: of the arm without a supervisor.
        index: of the seed.
        aftermath: how long a collision is followed [s].
        timetable: of the random arm.
        pool: digest of what it draws from.
    """
    row = rows.get((OFF, index))
    if row is None or index % CHECKED == 0:
        return None
    steps = row.steps + math.ceil(aftermath / CONTROL_STEP)
    if timetable.asks(row.seed, row.idle, steps):
        return None
    return replace(row, arm=RANDOM, pool=pool)
