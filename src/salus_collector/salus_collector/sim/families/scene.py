"""Families that change the scene or its looks from the start of the episode."""

from typing import ClassVar, override

import numpy as np
from numpy.typing import NDArray

from salus_collector.sim import scene
from salus_collector.sim.families.base import Family, Parameter
from salus_collector.sim.families.perception import SIGHT, gap_to_obstacle
from salus_collector.sim.world import World
from salus_data.layout import object_slice

Array = NDArray[np.float64]


class Obstacle(Family):
    """An obstacle stands in the way that is not perceived until near; severity makes it taller.

    It stands in place of the scene's own obstacle, or between object and bin where there was none.
    It is seen only from nearer than `sight`, never where that is 0.
    """

    name: ClassVar[str] = "obstacle"
    summary: ClassVar[str] = "an unseen tall obstacle stands in the way"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("height", "m", "of the unseen obstacle", (0, 0.6), (0.16, 0.34), 0.0),
        SIGHT,
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

    @override
    def perceive(self, perceived: Array, world: World) -> Array:
        """Hide the obstacle from afar."""
        if self.values["height"] == 0 or gap_to_obstacle(world) < self.values["sight"]:
            return perceived
        hidden = perceived.copy()
        hidden[object_slice("obstacle")] = np.nan
        return hidden


class Mass(Family):
    """The object is heavier or lighter than usual."""

    name: ClassVar[str] = "mass"
    summary: ClassVar[str] = "mass of the object"
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


class Friction(Family):
    """The object is more slippery between the fingers than usual."""

    name: ClassVar[str] = "friction"
    summary: ClassVar[str] = "sliding friction of the object and the fingers"
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


class CameraChange(Family):
    """The cameras stand, the lights shine and the colours look other than usual."""

    name: ClassVar[str] = "camera_change"
    summary: ClassVar[str] = "camera pose, light and colour"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("shift", "m", "of each camera, in a random direction", (0, 1), (0.0, 0.06), 0.0),
        Parameter("turn", "rad", "of each camera, about a random axis", (0, 1), (0.0, 0.12), 0.0),
        Parameter(
            "light", "1", "factor on every light", (0.01, 5), (0.3, 1.6), 1.0, geometric=True
        ),
        Parameter("colour", "1", "shift of each colour channel, at most", (0, 1), (0.0, 0.25), 0.0),
    )

    @override
    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Change the model's cameras, lights and colours for this episode."""
        super().on_reset(world, rng)
        model, own = world.model, self.values
        if own["shift"] > 0 or own["turn"] > 0:
            for name in scene.CAMERAS:
                world.move_camera(
                    name, own["shift"] * _unit_vector(rng), own["turn"] * _unit_vector(rng)
                )
        if own["light"] != 1:
            world.set_light(own["light"])
        if own["colour"] > 0:
            shift = rng.uniform(-own["colour"], own["colour"], size=(model.ngeom, 3))
            model.geom_rgba[:, :3] = np.clip(model.geom_rgba[:, :3] + shift, 0, 1)


def _unit_vector(random: np.random.Generator) -> Array:
    vector = random.normal(size=3)
    return np.asarray(vector / np.linalg.norm(vector))
