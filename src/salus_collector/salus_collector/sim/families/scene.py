"""Families that change the scene from the start of the episode."""

from dataclasses import replace
from typing import ClassVar, override

import numpy as np
from numpy.typing import NDArray

from salus_collector.sim import scene
from salus_collector.sim.families.base import Family, Parameter
from salus_collector.sim.families.perception import SIGHT, gap_to_obstacle
from salus_collector.sim.families.trace import Trace
from salus_collector.sim.world import World
from salus_data.layout import object_slice

Array = NDArray[np.float64]


class Obstacle(Family):
    """An obstacle stands in the way that is not perceived until near; severity makes it taller.

    It stands in place of the scene's own obstacle, or between object and bin where there was none.
    It is seen only from nearer than `sight`, never where that is 0: neither perceived poses nor
    cameras show it, as with clear glass that only catches the light from near.
    """

    name: ClassVar[str] = "obstacle"
    summary: ClassVar[str] = "an unseen tall obstacle stands in the way"
    sign: ClassVar[str] = (
        "from the first row that is near enough to see it; failures by contact with it"
    )
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("height", "m", "of the unseen obstacle", (0, 0.6), (0.16, 0.34), 0.0),
        replace(SIGHT, default=(0.0, 0.18)),
    )

    @override
    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Put the obstacle there."""
        super().on_reset(world, rng)
        if self.values["height"] == 0:
            return
        width, depth, _ = world.obstacle_extents
        extents = np.array([width, depth, self.values["height"]])
        x, y, _ = world.obstacle_position
        if not world.has_obstacle:
            x, y = rng.uniform((0.42, 0.02), (0.55, 0.06))
            world.has_obstacle = True
        world.set_obstacle_half(extents / 2)
        world.place(scene.OBSTACLE, (x, y, extents[2] / 2))
        world.show_obstacle(self._near(world))

    @override
    def before_step(self, world: World) -> None:
        """Show it to the cameras from near."""
        if self.values["height"] > 0:
            world.show_obstacle(self._near(world))

    def _near(self, world: World) -> bool:
        return gap_to_obstacle(world) < self.values["sight"]

    @override
    def perceive(self, perceived: Array, world: World) -> Array:
        """Hide the obstacle from afar."""
        if self.values["height"] == 0 or self._near(world):
            return perceived
        hidden = perceived.copy()
        hidden[object_slice("obstacle")] = np.nan
        return hidden

    @override
    def first_sign(self, trace: Trace) -> int | None:
        """The first row at which it was perceived, or the onset; None if nothing hit it."""
        if self.values["height"] == 0 or scene.OBSTACLE not in trace.record.bodies:
            return None
        seen = trace.obstacle_perceived()
        return int(np.argmax(seen)) if seen.any() else trace.record.onset_step


class Mass(Family):
    """The object is heavier or lighter than usual."""

    name: ClassVar[str] = "mass"
    summary: ClassVar[str] = "mass of the object"
    sign: ClassVar[str] = "from when the hand first closes"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "factor", "1", "of the usual mass", (0.05, 100), (10.0, 80.0), 1.0, geometric=True
        ),
    )

    @override
    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Set the mass."""
        super().on_reset(world, rng)
        if self.values["factor"] != 1:
            usual = float(world.model.body_mass[world.cube_body])
            world.set_object_mass(usual * self.values["factor"])

    @override
    def first_sign(self, trace: Trace) -> int | None:
        """The row after the hand was first told to close: untouched, all masses look alike."""
        return None if self.values["factor"] == 1 else trace.first_closing()


class Friction(Family):
    """The object is more slippery between the fingers than usual."""

    name: ClassVar[str] = "friction"
    summary: ClassVar[str] = "sliding friction of the object and the fingers"
    sign: ClassVar[str] = "from when the hand first closes"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "factor", "1", "of the usual friction", (0.0005, 5), (0.002, 0.01), 1.0, geometric=True
        ),
    )

    @override
    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Set the friction."""
        super().on_reset(world, rng)
        if self.values["factor"] != 1:
            usual = float(world.model.geom_friction[world.cube_geom, 0])
            world.set_friction(usual * self.values["factor"])

    @override
    def first_sign(self, trace: Trace) -> int | None:
        """The row after the hand was first told to close: untouched, all surfaces look alike."""
        return None if self.values["factor"] == 1 else trace.first_closing()
