"""What differs from episode to episode, drawn from the seed alone."""

from dataclasses import dataclass

import numpy as np

from salus_collector.sim import scene
from salus_collector.sim.config import SimulationConfig
from salus_collector.sim.panda import HOME
from salus_collector.sim.world import World


@dataclass(frozen=True)
class Draw:
    """One episode's scene; lengths in m, angles in rad.

    Attributes:
        cube: centre of the cube on the table, x and y.
        cube_yaw: its rotation about z.
        cube_half: half its width.
        cube_mass: [kg].
        friction: sliding friction of cube and finger pads.
        bin: centre of the bin, x and y.
        bin_yaw: its rotation about z.
        obstacle: centre of the obstacle, x and y; None where there is none.
        obstacle_half: its half extents.
        arm: joint offsets from HOME.
        light: strength of the lights, 1 nominal.
        camera_offset: shift of each camera (2, 3).
        camera_rotation: rotation vector of each camera (2, 3).
        idle_steps: steps at the start in which the policy waits.
    """

    cube: tuple[float, float]
    cube_yaw: float
    cube_half: float
    cube_mass: float
    friction: float
    bin: tuple[float, float]
    bin_yaw: float
    obstacle: tuple[float, float] | None
    obstacle_half: tuple[float, float, float]
    arm: tuple[float, ...]
    light: float
    camera_offset: tuple[tuple[float, ...], ...]
    camera_rotation: tuple[tuple[float, ...], ...]
    idle_steps: int


def draw(seed: int, config: SimulationConfig) -> Draw:
    """Draw an episode's scene; the same seed and config give the same scene, bitwise.

    Every number is drawn whether it is used or not, so that a setting never shifts the others.
    """
    rng = np.random.default_rng([seed, 0])
    uniform = rng.uniform
    cube = (uniform(0.38, 0.55), uniform(-0.26, -0.12))
    cube_yaw, cube_half = uniform(-0.7, 0.7), uniform(0.018, 0.023)
    cube_mass, friction = uniform(0.08, 0.15), uniform(0.8, 1.2)
    container, bin_yaw = (uniform(0.42, 0.58), uniform(0.19, 0.28)), uniform(-0.2, 0.2)
    present = uniform() < config.obstacle_probability
    obstacle = (uniform(0.42, 0.55), uniform(0.02, 0.06))
    half = (uniform(0.025, 0.035), uniform(0.025, 0.035), uniform(0.03, 0.10))
    return Draw(
        cube=cube,
        cube_yaw=cube_yaw,
        cube_half=cube_half,
        cube_mass=cube_mass,
        friction=friction,
        bin=container,
        bin_yaw=bin_yaw,
        obstacle=obstacle if present else None,
        obstacle_half=half,
        arm=tuple(rng.normal(0, 0.02, 7)),
        light=uniform(0.7, 1.3),
        camera_offset=tuple(tuple(row) for row in rng.normal(0, 0.004, (2, 3))),
        camera_rotation=tuple(tuple(row) for row in rng.normal(0, 0.008, (2, 3))),
        idle_steps=int(rng.integers(0, config.idle_steps_max + 1)),
    )


def apply(drawn: Draw, world: World) -> None:
    """Put a freshly reset world into the drawn scene."""
    world.set_object_half(drawn.cube_half)
    world.set_object_mass(drawn.cube_mass)
    world.set_friction(drawn.friction)
    world.place(scene.CUBE, (*drawn.cube, drawn.cube_half), drawn.cube_yaw)
    world.place(scene.BIN, (*drawn.bin, 0.0), drawn.bin_yaw)
    world.set_obstacle_half(drawn.obstacle_half)
    world.has_obstacle = drawn.obstacle is not None
    if drawn.obstacle is None:
        world.place(scene.OBSTACLE, scene.HIDDEN)
    else:
        world.place(scene.OBSTACLE, (*drawn.obstacle, drawn.obstacle_half[2]))
    arm = np.add(HOME, drawn.arm)
    world.data.qpos[world.arm_positions] = arm
    world.data.ctrl[:7] = arm
    world.set_light(drawn.light)
    for name, offset, rotation in zip(
        scene.CAMERAS, drawn.camera_offset, drawn.camera_rotation, strict=True
    ):
        world.move_camera(name, offset, rotation)
