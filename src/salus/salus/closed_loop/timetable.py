"""Interventions at random times, as often and of the same kinds as a supervisor's own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from salus.closed_loop.loop import FAULT
from salus_predictor.supervisor.intervention import Demand, Intervention
from salus_predictor.supervisor.risk import Risk


@dataclass(frozen=True)
class Pool:
    """What a supervisor did over many episodes.

    Attributes:
        spells: (kind, steps) of each of its interventions.
        rate: interventions a step in which it did not intervene and the policy acted.
    """

    spells: tuple[tuple[str, int], ...]
    rate: float


class Timetable:
    """Asks for interventions of the pool, each step with the same probability.

    Implements `salus_predictor.supervisor.rules.Demands`; it never looks at a forecast.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.prepare(0, 0)

    def prepare(self, seed: int, idle_steps: int) -> None:
        """Decide what the next episode draws; nothing comes in its first `idle_steps` steps."""
        self._random = np.random.default_rng([seed, 3])
        self._idle = idle_steps
        self.begin()

    def begin(self) -> None:
        """Begin the episode."""
        self._step, self._left, self._activation = 0, 0, 0
        self._demand: Demand | None = None

    def step(self, risk: Risk | None) -> list[Demand]:
        """What is asked for at this step."""
        del risk
        step, self._step = self._step, self._step + 1
        if self._left == 0:
            self._demand = None
            if step >= self._idle and self._random.random() < self._pool.rate:
                self._demand = self._draw(self._pool.spells)
        if self._demand is None:
            return []
        self._left -= 1
        return [self._demand]

    def _draw(self, spells: Sequence[tuple[str, int]]) -> Demand:
        kind, self._left = spells[int(self._random.integers(len(spells)))]
        asked = Intervention.HOLD if kind == FAULT else Intervention[kind.upper()]
        self._activation += 1
        return Demand(asked, "at a random time", self._activation)
