"""What is left of an episode once it is over, for a family to say from when it could be seen."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.episode import EpisodeRecord
from salus_data.layout import object_slice

Array = NDArray[np.float64]

CLOSED: Final = 0.5
"""A commanded opening below this closes the hand, as in the event rules."""


@dataclass(frozen=True)
class Trace:
    """One recorded episode of T rows, as one of its families needs it.

    Attributes:
        record: what happened; its onset is known.
        gripper: (T,) opening that the policy asked for, 0 closed to 1 open.
        perceived: (T, 30) what the policy was told, as in salus_data.layout.
        random: the generator that the family had in this episode, fresh.
    """

    record: EpisodeRecord
    gripper: Array
    perceived: Array
    random: np.random.Generator

    @property
    def rows(self) -> int:
        """T."""
        return len(self.gripper)

    def milestone(self, name: str) -> int | None:
        """Row at which the task first reached this milestone; None if it never did."""
        return min((row for known, row in self.record.milestones if known == name), default=None)

    def first_closing(self) -> int | None:
        """The first row that shows a hand told to close; None if it never was."""
        return first_row(self.gripper < CLOSED)

    def obstacle_perceived(self) -> NDArray[np.bool_]:
        """(T,) whether the policy was told of an obstacle."""
        return np.isfinite(self.perceived[:, object_slice("obstacle").start])


def first_row(acts: NDArray[np.bool_]) -> int | None:
    """The first row that can show what acts at the steps (T,): the one after the first of them.

    Something that acts at step s does so between observations s and s + 1.
    """
    return int(np.argmax(acts)) + 1 if acts.any() else None
