"""Which messages make a step, by stamp, in the order of the steps; nothing is ever filled in."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

KEPT: Final = 64
"""Stamps that are remembered while they wait for their messages."""
OBSERVATION: Final = ("joints", "pose", "perceived")
"""Parts of a step that are there before the policy has proposed anything."""
DECISION: Final = (*OBSERVATION, "proposed")
SLACK: Final = 2
"""A step that is not whole when the observation this many steps later comes will never be."""


@dataclass
class StepParts:
    """The messages of one step so far.

    Attributes:
        stamp: of the observation [ns].
        step: its index; -1 until `perceived` has numbered it.
        joints: (27,); pose: (7,); perceived: (30,); proposed: (D,) as in a dataset.
        uncertainty, validity: of the policy's own signals; None where they have not come.
        embedding: (M,) the policy's hidden state; None where it has not come.
        executed: (D,) what was done on it; needed by the next step alone.
    """

    stamp: int
    step: int = -1
    joints: Array | None = field(default=None, repr=False)
    pose: Array | None = field(default=None, repr=False)
    perceived: Array | None = field(default=None, repr=False)
    proposed: Array | None = field(default=None, repr=False)
    uncertainty: Array | None = field(default=None, repr=False)
    validity: NDArray[np.uint8] | None = field(default=None, repr=False)
    embedding: NDArray[np.float32] | None = field(default=None, repr=False)
    executed: Array | None = field(default=None, repr=False)

    def lacks(self, needed: tuple[str, ...]) -> str:
        """The first of the needed parts that is missing; empty where all are there."""
        for name in needed:
            if getattr(self, name) is None:
                return name
        return ""

    @property
    def state(self) -> Array:
        """The robot's state (34,)."""
        assert self.joints is not None
        assert self.pose is not None
        return np.concatenate([self.joints, self.pose])


class StepJoin:
    """Gives out the steps of one episode, whole and in order.

    A step also needs the action that was executed on the one before: signals look back on it.

    Attributes:
        policy_signals: whether a step needs the policy's own signals.
        embedding: whether it needs the policy's hidden state.
        broken: why the episode can no longer be followed; empty where it can.
        newest: the latest step that was numbered.
    """

    def __init__(self, *, policy_signals: bool = False) -> None:
        self.policy_signals = policy_signals
        self.embedding = False
        self._parts: dict[int, StepParts] = {}
        self._by_step: dict[int, int] = {}
        self.begin()

    def begin(self, since: int = 0) -> None:
        """Begin an episode whose first stamp is `since` [ns]; what came earlier is forgotten."""
        self._parts = {stamp: p for stamp, p in self._parts.items() if stamp >= since}
        self._by_step = {}
        self._next, self._before = 0, -1
        self.broken, self.newest = "", -1

    def at(self, stamp: int) -> StepParts:
        """The parts of that stamp, to be filled in by whoever hears them."""
        parts = self._parts.get(stamp)
        if parts is None:
            while len(self._parts) >= KEPT:
                # Not numbered and oldest first: a flood must not push out a real step.
                oldest = min(self._parts, key=lambda k: (self._parts[k].step >= 0, k))
                del self._parts[oldest]
            parts = self._parts[stamp] = StepParts(stamp)
        return parts

    def number(self, stamp: int, step: int) -> None:
        """Say which step of the episode the observation with that stamp is."""
        if self.newest < 0 and step and not self.broken:
            self.broken = f"the episode was joined at step {step}; waits for the next one"
        self.at(stamp).step = step
        self._by_step.setdefault(step, stamp)
        self.newest = max(self.newest, step)
        if not self.broken and self.newest >= self._next + SLACK:
            self.broken = f"step {self._next} lacks {self._gap()}; waits for the next episode"

    def take(self) -> tuple[StepParts, Array | None] | None:
        """The next step that is whole, with the action executed before it; None if none is."""
        ready = self._next_with(self._needed)
        if ready is not None:
            if self._next:
                del self._parts[self._before]
                self._by_step.pop(self._next - 1, None)
            self._before, self._next = ready[0].stamp, self._next + 1
        return ready

    def observed(self) -> tuple[StepParts, Array | None] | None:
        """The same of the next step whose observation is whole; it stays to be taken."""
        return self._next_with(OBSERVATION)

    def stamp_of(self, step: int) -> int | None:
        """The stamp of a step that was numbered and is not forgotten [ns]."""
        return self._by_step.get(step)

    @property
    def _needed(self) -> tuple[str, ...]:
        own = ("uncertainty",) if self.policy_signals else ()
        return (*DECISION, *own, *(("embedding",) if self.embedding else ()))

    def _next_with(self, needed: tuple[str, ...]) -> tuple[StepParts, Array | None] | None:
        if self.broken:
            return None
        parts = self._parts_of(self._next)
        if parts is None or parts.lacks(needed):
            return None
        if not self._next:
            return parts, None
        before = self._parts.get(self._before)
        if before is None or before.executed is None:
            return None
        return parts, before.executed

    def _parts_of(self, step: int) -> StepParts | None:
        stamp = self._by_step.get(step)
        return None if stamp is None else self._parts.get(stamp)

    def _gap(self) -> str:
        parts = self._parts_of(self._next)
        if parts is None:
            return "its number"
        return parts.lacks(self._needed) or "the action executed before it"
