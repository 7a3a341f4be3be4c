"""Several families as one disturbance."""

from collections.abc import Mapping
from typing import Any, override

import numpy as np
from numpy.typing import NDArray

from salus_collector.sim.disturbance import NoDisturbance
from salus_collector.sim.families.base import Family
from salus_collector.sim.world import World

Array = NDArray[np.float64]


class Composite(NoDisturbance):
    """Calls each family's hooks, in the order of their names; each has a generator of its own."""

    def __init__(self, members: Mapping[str, Family]) -> None:
        self.members = dict(sorted(members.items()))

    @override
    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Start every family."""
        for member, own in zip(self.members.values(), rng.spawn(len(self.members)), strict=True):
            member.on_reset(world, own)

    @override
    def perceive(self, perceived: Array, world: World) -> Array:
        """What is perceived (30,) after every family."""
        for member in self.members.values():
            perceived = member.perceive(perceived, world)
        return perceived

    @override
    def measure(self, state: Array, world: World) -> Array:
        """What is measured (34,) after every family."""
        for member in self.members.values():
            state = member.measure(state, world)
        return state

    @override
    def command(self, action: Array, world: World) -> Array:
        """What is executed (D,) after every family."""
        for member in self.members.values():
            action = member.command(action, world)
        return action

    @override
    def before_step(self, world: World) -> None:
        """Let every family act on the world."""
        for member in self.members.values():
            member.before_step(world)

    @override
    def to_json(self) -> dict[str, dict[str, Any]]:
        """What was disturbed, {family: {parameter: value}}."""
        return {name: dict(member.description) for name, member in self.members.items()}
