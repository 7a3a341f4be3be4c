"""What an episode can come to, numbered once for messages, stores, models and reports.

The numbers are a contract (docs/DATA_FORMAT.md): they never change and are never reused.
"""

from enum import IntEnum
from typing import Final


class Outcome(IntEnum):
    """How an episode ended."""

    UNKNOWN = 0
    SUCCESS = 1
    FAILURE = 2
    TRUNCATED = 3  # step limit or operator: what would have followed is not known
    STOPPED = 4  # by the supervisor
    DISCARDED = 5  # unstable simulation or incomplete recording; never in a store


class FailureType(IntEnum):
    """Which failure; read only where the outcome says FAILURE."""

    COLLISION = 0
    DROP = 1
    MISS = 2
    TIMEOUT = 3


NO_FAILURE: Final = -1
"""The failure type of an episode that did not fail."""

FAILURE_TYPES: Final[tuple[str, ...]] = tuple(t.name.lower() for t in FailureType)
"""The names of the failure types, in the order of their numbers."""


class SupervisorStatus(IntEnum):
    """What the supervisor did with the action of a step."""

    UNKNOWN = 0
    NORMAL = 1
    SLOWED = 2
    HOLDING = 3
    RETREATING = 4
    STOPPED = 5


class Validity(IntEnum):
    """Why a signal has no value at a step; VALID where it has one."""

    UNKNOWN = 0
    VALID = 1
    NOT_PROVIDED = 2  # this policy or robot does not compute it
    WARMING_UP = 3  # needs more steps of history
    NO_ENSEMBLE = 4  # needs two members or more
    NOT_PERCEIVED = 5  # the object it is about is not seen
    INPUT_MISSING = 6  # an input was late, missing or not finite
