"""Frames with their truth: what the localiser learns from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.perception.localiser import shrink
from salus_collector.perception.targets import CAMERAS, arm_pose, truth
from salus_collector.plan import plan_episode
from salus_collector.policy.expert import Expert
from salus_collector.rollout import RolloutStep, rollout
from salus_collector.sim import scene
from salus_collector.sim.disturbance_config import DisturbanceMix
from salus_collector.sim.environment import PandaPickPlace
from salus_collector.sim.observation import true_perceived, true_state
from salus_collector.sim.render import CameraRenderer
from salus_collector.sim.world import World

IMAGE_SIZE: Final = 256

Row = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32], bool]

STRIDE: Final = 4
"""Steps between two frames that are kept; neighbours show the same."""


OBSTACLE_SHARE: Final = 0.85
"""Share of the frames that show an obstacle."""


@dataclass(frozen=True)
class Frames:
    """F frames: images (F, cameras, p, p, 3) uint8, pose (F, 9), values (F, 10), present (F,)."""

    images: NDArray[np.uint8]
    pose: NDArray[np.float32]
    values: NDArray[np.float32]
    present: NDArray[np.bool_]

    def __len__(self) -> int:
        """F."""
        return len(self.pose)


def expert_frames(
    episodes: int, root_seed: int, mix: DisturbanceMix, first: int = 0
) -> Iterator[Frames]:
    """The frames of the expert's episodes `first` to `first + episodes - 1`, one episode a time.

    Every frame shows an obstacle of its own, or none: one an episode would be too few to learn
    from. What happens in the episode is not changed.
    """
    environment = PandaPickPlace(image_size=0)
    world = environment.world
    # An environment without images has a frame buffer of one pixel.
    world.model.vis.global_.offwidth = world.model.vis.global_.offheight = IMAGE_SIZE
    renderer = CameraRenderer(world.model, IMAGE_SIZE)
    policy = Expert()
    try:
        for index in range(first, first + episodes):
            random = np.random.default_rng([root_seed, index, 0x0B5])
            rows: list[Row] = []

            def look(
                step: RolloutStep,
                rows: list[Row] = rows,
                phase: int = index % STRIDE,
                random: np.random.Generator = random,
            ) -> None:
                if step.index % STRIDE != phase:
                    return
                with another_obstacle(world, random):
                    images = [shrink(renderer.render(world.data, camera)) for camera in CAMERAS]
                    state = true_state(world)
                    rows.append(
                        (np.stack(images), arm_pose(state), *truth(state, true_perceived(world)))
                    )

            rollout(environment, policy, plan_episode(root_seed, index, mix), on_step=look)
            if rows:
                images, pose, values, present = zip(*rows, strict=True)
                yield Frames(np.stack(images), np.stack(pose), np.stack(values), np.array(present))
    finally:
        renderer.close()
        environment.close()


@contextmanager
def another_obstacle(world: World, random: np.random.Generator) -> Iterator[None]:
    """Show another obstacle, or none, for as long as this lasts; poses only, no dynamics."""
    present, position = world.has_obstacle, world.obstacle_position.copy()
    half = world.obstacle_extents / 2
    top = random.uniform(0.06, 0.34)
    width = random.uniform(0.025, 0.035, 2)
    centre = random.uniform((0.41, 0.01), (0.56, 0.07))
    world.has_obstacle = random.uniform() < OBSTACLE_SHARE
    world.set_obstacle_half((*width, top / 2))
    world.place(scene.OBSTACLE, (*centre, top / 2) if world.has_obstacle else scene.HIDDEN)
    world.refresh()
    try:
        yield
    finally:
        world.has_obstacle = present
        world.set_obstacle_half(half)
        world.place(scene.OBSTACLE, position)
        world.refresh()
