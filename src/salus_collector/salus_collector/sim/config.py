"""Settings of the simulation, checked when they are made."""

from dataclasses import dataclass
from typing import Final

from salus_data.action_space import DELTA_EE, action_space
from salus_data.errors import SalusError, UnknownNameError

TIMEOUT_RULES: Final = ("stall", "limit")


class ConfigurationError(SalusError, ValueError):
    """Raised when a setting has a value that makes no sense; names field, value and range."""


@dataclass(frozen=True)
class SimulationConfig:
    """What can be chosen about a simulated episode; everything else is drawn from its seed.

    Attributes:
        action_space: `delta_ee` or `joint_position`.
        image_size: side of the square camera images [pixels]; 0 for no images.
        step_limit: steps after which an episode is cut off, 1 or more.
        stall_budget: time without a milestone after which the task has timed out [s].
        timeout_rule: `stall`, or `limit`: reaching the step limit is the timeout (comparisons with
            older data only; the clock then gives the label away).
        idle_steps_max: the idle time at the start is drawn from 0 to this many steps.
        obstacle_probability: share of episodes that have an obstacle [0, 1].
    """

    action_space: str = DELTA_EE.name
    image_size: int = 256
    step_limit: int = 400
    stall_budget: float = 2.0
    timeout_rule: str = "stall"
    idle_steps_max: int = 90
    obstacle_probability: float = 0.9

    def __post_init__(self) -> None:
        action_space(self.action_space)
        if self.timeout_rule not in TIMEOUT_RULES:
            raise UnknownNameError("timeout_rule", self.timeout_rule, TIMEOUT_RULES)
        for field, low, high in (
            ("image_size", 0, 2048),
            ("step_limit", 1, 1_000_000),
            ("stall_budget", 1 / 30, 3600.0),
            ("idle_steps_max", 0, 10_000),
            ("obstacle_probability", 0.0, 1.0),
        ):
            value = getattr(self, field)
            if not low <= value <= high:
                raise ConfigurationError(f"{field} is {value}; it must be from {low} to {high}")
        for field in ("image_size", "step_limit", "idle_steps_max"):
            if not isinstance(getattr(self, field), int):
                raise ConfigurationError(f"{field} is {getattr(self, field)!r}; whole numbers only")
