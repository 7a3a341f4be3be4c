"""Interventions at random times, as often and of the same kinds as a supervisor's own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from salus.closed_loop.loop import FAULT
from salus.closed_loop.rows import Row, digest
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


def pool_of(rows: Iterable[Row]) -> Pool:
    """What the supervised arm did: its spells, and how often it began one."""
    spells: list[tuple[str, int]] = []
    free = 0
    for row in sorted(rows, key=lambda row: row.index):
        spells += [(spell.kind, spell.steps) for spell in row.spells]
        free += max(0, row.steps - row.idle - sum(spell.steps for spell in row.spells))
    return Pool(tuple(spells), len(spells) / max(free + len(spells), 1))


def pool_digest(pool: Pool) -> str:
    """Names a pool: rows drawn from another one are run again."""
    return digest([pool.spells, pool.rate])


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

    def asks(self, seed: int, idle_steps: int, steps: int) -> bool:
        """Whether an episode of so many steps would be interfered with; then prepare another."""
        self.prepare(seed, idle_steps)
        return any(self.step(None) for _ in range(steps))

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
