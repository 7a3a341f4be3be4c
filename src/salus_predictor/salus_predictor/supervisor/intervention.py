"""What a rule may ask for, from mild to severe, and what it asks for now."""

from dataclasses import dataclass
from enum import IntEnum


class Intervention(IntEnum):
    """What is to be done; of several the greatest wins."""

    NONE = 0
    WARN = 1  # say it, change nothing
    SLOW = 2  # move less than proposed
    REPLAN = 3  # hold for an instant: a policy with a chunk drops it and plans anew
    HOLD = 4  # stay where the arm is
    REGRASP = 5  # back along the path with an open hand, where the hand is empty
    RETREAT = 6  # back along the path, the hand as it is
    STOP = 7  # hold until somebody has looked


@dataclass(frozen=True)
class Demand:
    """What one active rule asks for.

    Attributes:
        intervention: what is to be done.
        reason: one line for people.
        activation: the same as long as the rule stays active; another one each time it fires.
        failure_type: number of the failure that is expected.
    """

    intervention: Intervention
    reason: str
    activation: int = 0
    failure_type: int = -1


def most_severe(demands: list[Demand]) -> Demand | None:
    """The demand that wins: the most severe, of equals the one that was first; None for none."""
    return max(demands, key=lambda d: (d.intervention, -d.activation), default=None)
