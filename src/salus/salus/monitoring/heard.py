"""What the live view knows: the last of everything, and how often it comes. No ROS."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

RATE_WINDOW = 2.0
"""Seconds of wall time over which rates are counted."""

LEVELS = {0: "unknown", 1: "normal", 2: "elevated", 3: "ALARM"}
STATES = {0: "unknown", 1: "NORMAL", 2: "SLOWED", 3: "HOLDING", 4: "RETREATING", 5: "STOPPED"}
MODES = {0: "unknown", 1: "pass through", 2: "shadow", 3: "active"}


@dataclass
class Rates:
    """Counts what came within the last RATE_WINDOW."""

    clock: Callable[[], float] = time.monotonic
    _times: dict[str, deque[float]] = field(default_factory=dict)

    def count(self, what: str) -> None:
        """One more of it has come."""
        self._times.setdefault(what, deque(maxlen=10_000)).append(self.clock())

    def per_second(self) -> dict[str, float]:
        """How many came a second, by name."""
        now = self.clock()
        rates = {}
        for what, times in self._times.items():
            while times and now - times[0] > RATE_WINDOW:
                times.popleft()
            rates[what] = len(times) / RATE_WINDOW
        return rates


@dataclass
class Heard:
    """The present picture.

    Attributes:
        episode, step: of the newest forecast.
        failure_types: C names; horizons: H, s.
        probability: H rows of C; levels: the same shape.
        stale: why there is no forecast.
        state, would_be, mode, reason: of the supervisor.
        interventions: steps of the episode whose action was changed.
        warnings: open warnings by failure type, one line each.
        outcomes: ended episodes by outcome.
        diagnostics: node -> level and message.
    """

    episode: str = ""
    step: int = 0
    failure_types: tuple[str, ...] = ()
    horizons: tuple[float, ...] = ()
    probability: tuple[tuple[float, ...], ...] = ()
    levels: tuple[tuple[int, ...], ...] = ()
    stale: str = ""
    model_id: str = ""
    calibration_id: str = ""
    state: int = 0
    would_be: int = 0
    mode: int = 0
    reason: str = ""
    interventions: int = 0
    warnings: dict[int, str] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    diagnostics: dict[str, tuple[int, str]] = field(default_factory=dict)
    rates: Rates = field(default_factory=Rates)

    def to_json(self) -> dict[str, object]:
        """The picture as plain data; NaN becomes null."""
        risk = {
            kind: {
                f"{horizon:.3f}": None if row[c] != row[c] else row[c]
                for horizon, row in zip(self.horizons, self.probability, strict=True)
            }
            for c, kind in enumerate(self.failure_types)
        }
        return {
            "episode": self.episode,
            "step": self.step,
            "risk": risk,
            "stale": self.stale,
            "model_id": self.model_id,
            "calibration_id": self.calibration_id,
            "state": STATES.get(self.state, "unknown"),
            "would_be": STATES.get(self.would_be, "unknown"),
            "mode": MODES.get(self.mode, "unknown"),
            "reason": self.reason,
            "interventions": self.interventions,
            "warnings": list(self.warnings.values()),
            "outcomes": dict(self.outcomes),
            "rates_hz": {k: round(v, 1) for k, v in self.rates.per_second().items()},
            "diagnostics": {k: message for k, (_, message) in self.diagnostics.items()},
        }
