"""What a disturbance family is: a named cause with parameters that a severity moves.

A family says what happens to the robot, the scene or the senses. It never says what comes of it:
the outcome is for physics to decide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, override

import numpy as np

from salus_collector.sim.disturbance import NoDisturbance
from salus_collector.sim.families.trace import Trace
from salus_collector.sim.world import World
from salus_data.errors import FormatError

SEVERITY = "severity"
"""The name under which a record keeps the severity beside the parameters that follow from it."""


@dataclass(frozen=True)
class Parameter:
    """One number of a family.

    Attributes:
        name: as in the configuration and in the episode's record.
        unit: SI; `1` for a ratio.
        meaning: one line.
        limits: lowest and highest value that makes sense.
        default: the range from which the value at full severity is drawn, uniformly.
        neutral: the value that changes nothing, towards which a lower severity moves the draw;
            None where the severity does not move it (a direction, a delay).
        geometric: a ratio, which the severity moves on a logarithmic scale.
    """

    name: str
    unit: str
    meaning: str
    limits: tuple[float, float]
    default: tuple[float, float]
    neutral: float | None = None
    geometric: bool = False

    def draw(
        self, severity: float, value_range: tuple[float, float], random: np.random.Generator
    ) -> float:
        """The value at `severity` [0, 1].

        With d drawn uniformly and n neutral: n + severity (d - n), or n (d / n)^severity.
        """
        drawn = float(random.uniform(*value_range))
        if self.neutral is None:
            return drawn
        if self.geometric:
            return self.neutral * float((drawn / self.neutral) ** severity)
        return self.neutral + severity * (drawn - self.neutral)


class Family(NoDisturbance):
    """Base of the families: checks its values, and draws only from a generator of its own.

    A subclass names itself and its parameters, and overrides the hooks of
    `salus_collector.sim.disturbance.Disturbance` that it needs. With every parameter at its
    neutral value it must change nothing, to the bit.

    `sign` says in one line from when on anything of it can be seen, `first_sign` which row that is.
    A family that says nothing is taken to show from the start.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    abrupt: ClassVar[bool] = False
    sign: ClassVar[str] = ""
    parameters: ClassVar[tuple[Parameter, ...]]

    def __init__(self, values: Mapping[str, float]) -> None:
        """Take the parameters' values; `severity` is kept for the record and not needed.

        Raises:
            FormatError: a parameter is missing, unknown, not a number or outside its limits.
        """
        self.values = checked_values(self, values)
        self.description = dict(values)
        self.random = np.random.default_rng(0)

    @override
    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Start an episode; subclasses that override it call this first."""
        self.random = rng

    def first_sign(self, trace: Trace) -> int | None:
        """The first row of a failed episode that shows anything of this family.

        Rather too early than too late: what is foreseeable must not be counted as not.

        Returns:
            A row; the onset or a later one where it struck unseen; None where it did nothing, or
            had no part in this failure.
        """
        del trace
        return 0


def checked_values(family: type[Family] | Family, values: Mapping[str, object]) -> dict[str, float]:
    """The values of every parameter of `family`, as floats, without the severity.

    Raises:
        FormatError: names the family, the parameter, the value and what is allowed.
    """
    known = {p.name: p for p in family.parameters}
    if unknown := sorted(set(values) - set(known) - {SEVERITY}):
        raise FormatError(
            f"disturbance {family.name}: unknown parameters {unknown}; known: {', '.join(known)}"
        )
    if missing := sorted(set(known) - set(values)):
        raise FormatError(f"disturbance {family.name}: parameters {missing} are missing")
    return {
        name: checked_number(values[name], parameter.limits, f"disturbance {family.name}.{name}")
        for name, parameter in known.items()
    }


def checked_number(value: object, limits: tuple[float, float], where: str) -> float:
    """`value` as a float within `limits`.

    Raises:
        FormatError: it is not a number, not finite or outside the limits; says so after `where`.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
        raise FormatError(f"{where} is {value!r}; give a number")
    low, high = limits
    if not low <= float(value) <= high:
        raise FormatError(f"{where} is {value}; give a number from {low:g} to {high:g}")
    return float(value)
