"""From forecasts to demands: thresholds, debounce, hysteresis, cooldown and the budget."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from salus_data.errors import ContractMismatchError
from salus_predictor.supervisor.config import Level, Rule, SupervisorConfig
from salus_predictor.supervisor.intervention import Demand, Intervention
from salus_predictor.supervisor.risk import Risk, RiskLevel

_LEVELS = {"elevated": RiskLevel.ELEVATED, "alarm": RiskLevel.ALARM}

TOLERANCE = 1e-6
"""Seconds by which a horizon may exceed `within`, for rounding."""


class Demands(Protocol):
    """Says what is asked for, step by step; `RuleBook` by rules, a study by the clock."""

    def begin(self) -> None:
        """Begin an episode."""

    def step(self, risk: Risk | None) -> list[Demand]:
        """What is asked for at this step, given its forecast; None where none can be trusted."""


type DemandsOf = Callable[[SupervisorConfig, float], Demands]
"""Makes them for a configuration and a step period [s]."""


@dataclass
class _Progress:
    """Where one rule is; times are steps."""

    reached: int = 0  # steps in a row at or above its level
    active_for: int = -1  # steps since it fired; -1: it is not active
    cooldown: int = 0  # steps that it stays quiet
    activation: int = 0
    demand: Demand | None = None


class RuleBook:
    """Asks every rule at every step; time is simulated, counted in steps."""

    def __init__(self, config: SupervisorConfig, step_period: float) -> None:
        self._config = config
        self._period = step_period
        self.begin()

    def begin(self) -> None:
        """Begin an episode: no rule is active, the budget is whole."""
        self._progress = {rule.name: _Progress() for rule in self._config.rules}
        self._fired = 0
        self.spent = 0

    def step(self, risk: Risk | None) -> list[Demand]:
        """What the active rules ask for at this step.

        Args:
            risk: the forecast of this step; None where there is none that can be trusted: then
                nothing fires or clears, and what is active goes on to its longest time.

        Raises:
            ContractMismatchError: a rule can never be read from this model's forecasts.
        """
        demands = []
        cells = None if risk is None else _Cells(risk)
        for rule in self._config.rules:
            demand = self._ask(rule, self._progress[rule.name], cells)
            if demand is not None:
                demands.append(demand)
        return demands

    def _ask(self, rule: Rule, now: _Progress, cells: "_Cells | None") -> Demand | None:
        reached, cleared, row, kind = False, False, -1, -1
        if cells is not None:
            row = cells.horizon_of(rule)
            kind = cells.largest(rule, row)
            reached = cells.at_least(rule.level, row, kind)
            cleared = not cells.at_least(
                rule.level if rule.clear_below is None else rule.clear_below, row, kind
            )
        if now.active_for >= 0:
            now.active_for += 1
            over = now.active_for >= self._steps(rule.max_time)
            if over or (cleared and now.active_for >= self._steps(rule.min_time)):
                now.active_for, now.demand, now.reached = -1, None, 0
                now.cooldown = self._steps(rule.cooldown)
            return now.demand
        now.cooldown = max(0, now.cooldown - 1)
        now.reached = now.reached + 1 if reached else 0
        waits = now.cooldown or now.reached <= self._steps(rule.debounce)
        if cells is None or not reached or waits:
            return None
        self._fired += 1
        now.active_for, now.activation = 0, self._fired
        what = (
            f"{cells.types[kind]} {cells.probability[row][kind]:.2f} within "
            f"{cells.horizons[row]:.2f} s ({rule.name})"
        )
        now.demand = self._charge(Demand(rule.intervention, what, self._fired, kind))
        return now.demand

    def _charge(self, demand: Demand) -> Demand:
        """Take it from the budget, or what the budget turns it into once it is spent."""
        if demand.intervention <= Intervention.WARN:
            return demand
        budget = self._config.budget
        if self.spent < budget.interventions:
            self.spent += 1
            return demand
        then = Intervention[budget.then.upper()]
        reason = f"budget of {budget.interventions} interventions is spent: {demand.reason}"
        return Demand(then, reason, demand.activation, demand.failure_type)

    def _steps(self, seconds: float) -> int:
        return round(seconds / self._period)


class _Cells:
    """A forecast in lists: rules read single cells, and out of an array each takes far longer."""

    def __init__(self, risk: Risk) -> None:
        self.types = risk.failure_types
        self.horizons: list[float] = risk.horizons.tolist()
        self.probability: list[list[float]] = risk.probability.tolist()
        self.levels: list[list[int]] = risk.levels.tolist()

    def horizon_of(self, rule: Rule) -> int:
        """Row of the longest horizon that is not longer than the rule's `within`.

        Raises:
            ContractMismatchError: there is none, or the model does not know the rule's failure
                type.
        """
        if rule.type != "any" and rule.type not in self.types:
            raise ContractMismatchError(
                f"rule {rule.name!r} is about {rule.type}; the model knows {', '.join(self.types)}"
            )
        # Horizons grow strictly.
        row = bisect_right(self.horizons, rule.within + TOLERANCE) - 1
        if row < 0:
            shown = ", ".join(f"{h:.3f}" for h in self.horizons)
            raise ContractMismatchError(
                f"rule {rule.name!r} asks within {rule.within} s; "
                f"the model's horizons are {shown} s"
            )
        return row

    def largest(self, rule: Rule, row: int) -> int:
        """Number of the failure type that the rule is about, the likeliest for `any`."""
        if rule.type != "any":
            return self.types.index(rule.type)
        probability, levels = self.probability[row], self.levels[row]
        if isinstance(rule.level, float):
            return probability.index(max(probability))
        # The level counts first: thresholds differ between types.
        return max(range(len(levels)), key=lambda kind: (levels[kind], probability[kind], kind))

    def at_least(self, level: Level, row: int, kind: int) -> bool:
        """Whether a cell reaches a level."""
        if isinstance(level, str):
            return self.levels[row][kind] >= _LEVELS[level]
        return self.probability[row][kind] >= level
