"""The localiser's network: keypoints of two images, the arm's pose, quantities with their doubt."""

from typing import Final

import torch
from torch import Tensor, nn

from salus_collector.perception.targets import CAMERAS, PIXELS, POSE_SIZE, QUANTITIES

KEYPOINTS: Final = 32
WIDTH: Final = 128


class SpatialSoftmax(nn.Module):
    """Expected image coordinates of each channel (Levine et al. 2016, arXiv:1504.00702)."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        axis = torch.linspace(-1.0, 1.0, pixels)
        self.register_buffer("axis", axis, persistent=False)
        self.sharpness = nn.Parameter(torch.ones(()))

    def forward(self, maps: Tensor) -> Tensor:
        """(B, K, h, w) to (B, 3 K): x, y in [-1, 1] and the peak of each channel."""
        batch, channels, height, width = maps.shape
        flat = maps.reshape(batch, channels, height * width)
        weight = torch.softmax(flat * self.sharpness, dim=-1).reshape(maps.shape)
        axis: Tensor = self.axis  # type: ignore[assignment]
        x = (weight.sum(dim=2) * axis).sum(dim=-1)
        y = (weight.sum(dim=3) * axis).sum(dim=-1)
        return torch.cat([x, y, flat.amax(dim=-1) * 0.1], dim=1)


class LocaliserNetwork(nn.Module):
    """Two small convolutional towers, one a camera, and a perceptron over their keypoints."""

    def __init__(self) -> None:
        super().__init__()
        self.towers = nn.ModuleList(_tower() for _ in CAMERAS)
        self.head = nn.Sequential(
            nn.Linear(3 * KEYPOINTS * len(CAMERAS) + POSE_SIZE, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, 2 * len(QUANTITIES) + 1),
        )

    def forward(self, images: Tensor, pose: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look.

        Args:
            images: (B, cameras, 3, PIXELS, PIXELS) in [0, 1].
            pose: (B, 9) of `targets.arm_pose`.

        Returns:
            mean (B, 10) and log standard deviation (B, 10) of `targets.QUANTITIES`, from their
            origin in units of their scale; logit (B,) of an obstacle being there.
        """
        seen = [tower(images[:, i] - 0.5) for i, tower in enumerate(self.towers)]
        out = self.head(torch.cat([*seen, pose], dim=1))
        count = len(QUANTITIES)
        return out[:, :count], out[:, count : 2 * count].clamp(-5.0, 2.0), out[:, -1]


def _tower() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, KEYPOINTS, 3, padding=1),
        SpatialSoftmax(PIXELS // 4),
    )
