"""From which row on a failed episode shows anything of what caused it.

The causes of an episode are its disturbances. Which of them brought the failure is not recorded.
Those that show at the onset or before it could have; where none did, or there is none, the policy
failed by itself: from row 0. The earliest of these signs is lenient, an upper bound on what could
be foreseen; the latest is strict. They differ only where an episode has several disturbances.
"""

import numpy as np
from numpy.typing import NDArray

from salus_collector.sim.disturbance import disturbance_generator
from salus_collector.sim.families.registry import family_named
from salus_collector.sim.families.trace import Trace
from salus_data.episode import EpisodeRecord
from salus_data.errors import FormatError, SalusError

Array = NDArray[np.float64]


def signs(record: EpisodeRecord, gripper: Array, perceived: Array) -> dict[str, int | None]:
    """The first sign of every family of an episode: a row, or None where it had no part in the end.

    Args:
        record: of a failure, with its onset.
        gripper: (T,) commanded opening, 0 closed to 1 open.
        perceived: (T, 30) what the policy was told.

    Raises:
        FormatError: the record has no onset, or parameters that its family does not take.
        UnknownNameError: there is no such family.
    """
    if record.onset_step < 0:
        raise FormatError(f"episode {record.id}: the step of its failure is not known")
    names = sorted(record.disturbance)
    generators = disturbance_generator(record.seed).spawn(len(names))
    found: dict[str, int | None] = {}
    for name, random in zip(names, generators, strict=True):
        try:
            family = family_named(name)(record.disturbance[name])
        except SalusError as error:
            raise FormatError(f"episode {record.id}: {error}") from error
        found[name] = family.first_sign(Trace(record, gripper, perceived, random))
    return found


def first_sign(record: EpisodeRecord, gripper: Array, perceived: Array) -> tuple[int, int]:
    """The first row, 0 to the onset, that shows a cause: of the earliest and of the latest of them.

    At the onset itself: nothing showed before the failure had happened. Arguments as for `signs`.
    """
    found = signs(record, gripper, perceived).values()
    rows = [row for row in found if row is not None and row <= record.onset_step]
    return min(rows, default=0), max(rows, default=0)
