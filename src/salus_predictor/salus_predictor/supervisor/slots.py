"""Joins what belongs to one step, by stamp; bounded, whatever is sent."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_predictor.supervisor.posture import Posture

Array = NDArray[np.float64]

KEPT: Final = 64
"""Steps that are remembered while they wait for their messages."""


@dataclass(frozen=True)
class Proposal:
    """An action that the policy proposes."""

    values: Array
    space: str
    chunk_phase: int = -1


@dataclass
class Slot:
    """One step that waits for its messages.

    Attributes:
        stamp: of its observation [ns].
        episode, step: which it is; empty and -1 until a message has said so.
        observed_at: wall time [s] at which the observation was numbered; None before.
        proposed_at: wall time [s] at which the proposal came.
        posture: where the arm is; None until both messages about it have come.
    """

    stamp: int
    episode: str = ""
    step: int = -1
    observed_at: float | None = None
    proposed_at: float | None = None
    proposal: Proposal | None = None
    joints: Array | None = field(default=None, repr=False)
    pose: Array | None = field(default=None, repr=False)
    posture: Posture | None = field(default=None, repr=False)

    def see(self, *, joints: Array | None = None, pose: Array | None = None) -> None:
        """Take positions, velocities and efforts (27,) or the pose (7,); the last ones count."""
        if joints is not None:
            self.joints = joints
        if pose is not None:
            self.pose = pose
        if self.joints is not None and self.pose is not None:
            self.posture = Posture.from_state(np.concatenate([self.joints, self.pose]))


class Slots:
    """The steps that are not decided yet.

    Attributes:
        dropped: steps that were forgotten because too many were open.
    """

    def __init__(self) -> None:
        self._slots: dict[int, Slot] = {}
        self.dropped = 0

    def at(self, stamp: int) -> Slot:
        """The slot of that stamp; a new one where there is none."""
        if stamp not in self._slots:
            if len(self._slots) >= KEPT:
                self._forget_one()
            self._slots[stamp] = Slot(stamp)
        return self._slots[stamp]

    def waiting(self, episode: str) -> list[Slot]:
        """The slots of that episode that are numbered, by step."""
        slots = (s for s in self._slots.values() if s.episode == episode and s.step >= 0)
        return sorted(slots, key=lambda slot: slot.step)

    def close(self, slot: Slot) -> None:
        """Forget a slot that is decided."""
        self._slots.pop(slot.stamp, None)

    def keep_only(self, episode: str) -> None:
        """Forget what is numbered and belongs to other episodes."""
        self._slots = {k: s for k, s in self._slots.items() if s.episode in ("", episode)}

    def _forget_one(self) -> None:
        # What was never observed goes first: a flood of actions must not push out a real step.
        stamp = min(self._slots, key=lambda k: (self._slots[k].observed_at is not None, k))
        del self._slots[stamp]
        self.dropped += 1
