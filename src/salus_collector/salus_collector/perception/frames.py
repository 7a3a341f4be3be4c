"""Frames with their truth: what the localiser learns from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.perception.localiser import shrink
from salus_collector.perception.targets import CAMERAS, arm_pose, truth
from salus_collector.plan import plan_episode
from salus_collector.policy.expert import Expert
from salus_collector.rollout import RolloutStep, rollout
from salus_collector.sim.disturbance_config import DisturbanceMix
from salus_collector.sim.environment import PandaPickPlace
from salus_collector.sim.observation import true_perceived, true_state
from salus_collector.sim.render import CameraRenderer

IMAGE_SIZE: Final = 256

Row = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32], bool]

STRIDE: Final = 4
"""Steps between two frames that are kept; neighbours show the same."""


@dataclass(frozen=True)
class Frames:
    """F frames: images (F, cameras, p, p, 3) uint8, pose (F, 9), lengths (F, 5), present (F,)."""

    images: NDArray[np.uint8]
    pose: NDArray[np.float32]
    lengths: NDArray[np.float32]
    present: NDArray[np.bool_]

    def __len__(self) -> int:
        """F."""
        return len(self.pose)


def expert_frames(
    episodes: int, root_seed: int, mix: DisturbanceMix, first: int = 0
) -> Iterator[Frames]:
    """The frames of the expert's episodes `first` to `first + episodes - 1`, one episode a time."""
    environment = PandaPickPlace(image_size=0)
    world = environment.world
    # An environment without images has a frame buffer of one pixel.
    world.model.vis.global_.offwidth = world.model.vis.global_.offheight = IMAGE_SIZE
    renderer = CameraRenderer(world.model, IMAGE_SIZE)
    policy = Expert()
    try:
        for index in range(first, first + episodes):
            rows: list[Row] = []

            def look(
                step: RolloutStep, rows: list[Row] = rows, phase: int = index % STRIDE
            ) -> None:
                if step.index % STRIDE != phase:
                    return
                images = [shrink(renderer.render(world.data, camera)) for camera in CAMERAS]
                state = true_state(world)
                rows.append(
                    (np.stack(images), arm_pose(state), *truth(state, true_perceived(world)))
                )

            rollout(environment, policy, plan_episode(root_seed, index, mix), on_step=look)
            if rows:
                images, pose, lengths, present = zip(*rows, strict=True)
                yield Frames(np.stack(images), np.stack(pose), np.stack(lengths), np.array(present))
    finally:
        renderer.close()
        environment.close()
