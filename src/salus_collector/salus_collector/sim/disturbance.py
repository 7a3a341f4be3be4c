"""The hooks of a disturbance; families of them live in `disturbances.py`."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from salus_collector.sim.world import World

Array = NDArray[np.float64]


def disturbance_generator(seed: int) -> np.random.Generator:
    """The generator that an episode's disturbance gets, from the episode's seed alone."""
    return np.random.default_rng([seed, 1])


class Disturbance(Protocol):
    """Something that goes wrong in an episode.

    The environment calls the hooks of one step in the order in which they stand here. A
    disturbance changes the world, never a label. It is deep-copied into snapshots, so it keeps
    its state in itself and holds no reference to a world.
    """

    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Called once the scene is drawn, before observation 0; `rng` is this disturbance's own.

        The generator follows from the episode's seed and no other draw depends on it.
        """

    def command(self, action: Array, world: World) -> Array:
        """Return what the robot is told instead of `action` (D,); the record keeps `action`."""

    def before_step(self, world: World) -> None:
        """Change the world before a control step; pushes last for that step."""

    def measure(self, state: Array, world: World) -> Array:
        """Return what the robot's sensors read instead of the truth, (34,)."""

    def perceive(self, perceived: Array, world: World) -> Array:
        """Return what the policy perceives instead of the truth, (30,) as in salus_data.layout."""

    def to_json(self) -> dict[str, dict[str, Any]]:
        """What is disturbed, {family: {parameter: value}}, for the episode's record."""


class NoDisturbance:
    """Nothing goes wrong; families override the hooks that they need."""

    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Change nothing."""

    def command(self, action: Array, world: World) -> Array:  # noqa: ARG002 - others read world
        """Return the action."""
        return action

    def before_step(self, world: World) -> None:
        """Change nothing."""

    def measure(self, state: Array, world: World) -> Array:  # noqa: ARG002 - others read world
        """Return the truth."""
        return state

    def perceive(self, perceived: Array, world: World) -> Array:  # noqa: ARG002 - others read world
        """Return the truth."""
        return perceived

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Nothing, {}."""
        return {}
