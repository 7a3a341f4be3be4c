"""What lockstep and nodes ask of a simulation beside Gymnasium's own interface."""

from typing import Any, Final, Protocol

import gymnasium
from numpy.typing import NDArray

from salus_collector.sim.markers import Marker
from salus_collector.sim.mounts import Mount
from salus_data.action_space import ActionSpace
from salus_data.errors import FormatError

Environment = gymnasium.Env[dict[str, Any], NDArray[Any]]
"""Observations are arrays by name (`policy.base.Observation`), an action is one array."""


class Limits(Protocol):
    """Settings of a simulation."""

    @property
    def step_limit(self) -> int:
        """Steps after which an episode is cut off."""


class Simulation(Protocol):
    """The environment below its wrappers; `PandaPickPlace` is one."""

    @property
    def config(self) -> Limits:
        """Its settings."""

    @property
    def space(self) -> ActionSpace:
        """What actions mean."""

    @property
    def task_description(self) -> str:
        """What is to be done, one line."""

    @property
    def step_period(self) -> float:
        """Seconds between two steps."""

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """Where its cameras are mounted."""

    def freeze_stall(self, frozen: bool) -> None:
        """Stop the stall clock, or let it run on."""

    def camera_fovy(self, camera: str) -> float:
        """The vertical field of view of a camera [rad]."""

    def markers(self) -> tuple[Marker, ...]:
        """Every visible shape at its present pose."""


_MEMBERS: Final = tuple(sorted(name for name in vars(Simulation) if not name.startswith("_")))


def simulation_of(environment: Environment) -> Simulation:
    """The simulation below the wrappers of an environment.

    Raises:
        FormatError: it lacks something; named.
    """
    core: Any = environment.unwrapped
    if missing := [name for name in _MEMBERS if not hasattr(core, name)]:
        raise FormatError(
            f"environment {type(core).__name__} lacks {', '.join(missing)}; a simulation has "
            f"{', '.join(_MEMBERS)} (salus_collector.sim.interface)"
        )
    found: Simulation = core
    return found
