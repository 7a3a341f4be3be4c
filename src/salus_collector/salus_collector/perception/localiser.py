"""The trained localiser over one running episode, and the signals it gives."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from salus_collector.perception.network import LocaliserNetwork
from salus_collector.perception.targets import CAMERAS, ORIGIN, PIXELS, SCALE, arm_pose
from salus_data.errors import FormatError

Array = NDArray[np.float64]

SHIPPED: Final = Path(__file__).parent / "shipped" / "localiser.safetensors"
SCHEMA_VERSION: Final = "2"


@dataclass(frozen=True)
class Sighting:
    """What one pair of images shows.

    Attributes:
        values: (10,) in the order of `targets.QUANTITIES`.
        doubt: (10,) standard deviations of the same.
        obstacle_log_odds: log odds of there being an obstacle.
    """

    values: Array
    doubt: Array
    obstacle_log_odds: float

    @property
    def obstacle(self) -> float:
        """Probability that there is an obstacle."""
        return float(1 / (1 + np.exp(-self.obstacle_log_odds)))


class Localiser:
    """Says from the cameras where object and obstacle are; knows nothing of what is perceived."""

    def __init__(self, network: LocaliserNetwork, digest: str = "") -> None:
        self._network = network.eval()
        self.digest = digest

    @classmethod
    def load(cls, path: Path = SHIPPED) -> Self:
        """Read trained weights.

        Raises:
            FormatError: the file is missing, no safetensors file, or of another version or shape.
        """
        if not path.is_file():
            raise FormatError(f"{path}: no such file; `python -m salus_collector.perception.train`")
        try:
            with safe_open(path, "pt") as file:
                version = (file.metadata() or {}).get("schema_version")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise FormatError(f"{path}: not a whole safetensors file: {error}") from error
        if version != SCHEMA_VERSION:
            raise FormatError(
                f"{path}: schema_version is {version!r}, this version reads {SCHEMA_VERSION!r}"
            )
        network = LocaliserNetwork()
        try:
            network.load_state_dict({name: value.float() for name, value in tensors.items()})
        except RuntimeError as error:
            raise FormatError(f"{path}: not a localiser's weights: {error}") from error
        return cls(network, hashlib.sha256(path.read_bytes()).hexdigest()[:16])

    def save(self, path: Path, provenance: dict[str, object]) -> None:
        """Write the weights, float16, with how they were made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {name: value.half() for name, value in self._network.state_dict().items()}
        metadata = {
            "schema_version": SCHEMA_VERSION,
            "provenance": json.dumps(provenance, sort_keys=True),
        }
        save_file(tensors, path, metadata)

    def look(self, images: dict[str, NDArray[np.uint8]], state: Array) -> Sighting:
        """Locate.

        Args:
            images: by camera, (h, h, 3) uint8; h is PIXELS or a multiple of it.
            state: (34,) as `layout.STATE`, as measured.

        Raises:
            FormatError: the images have another size.
        """
        shrunk = np.stack([shrink(images[camera]) for camera in CAMERAS])
        return self.locate(shrunk, arm_pose(state))

    @torch.inference_mode()
    def locate(self, images: NDArray[np.uint8], pose: NDArray[np.float32]) -> Sighting:
        """The same for images (cameras, PIXELS, PIXELS, 3) and a pose (9,) that are prepared."""
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2)[None].float() / 255
        mean, log_sigma, logit = self._network(pixels, torch.from_numpy(pose)[None])
        return Sighting(
            ORIGIN + mean[0].double().numpy() * SCALE,
            log_sigma[0].double().exp().numpy() * SCALE,
            float(logit[0]),
        )


def shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average a square image (h, h, 3) down to PIXELS.

    Raises:
        FormatError: its side is no multiple of PIXELS.
    """
    height, width = image.shape[:2]
    if height != width or height % PIXELS:
        raise FormatError(
            f"the localiser looks at square images of {PIXELS} pixels or a multiple, "
            f"not at {height} x {width}"
        )
    block = height // PIXELS
    if block == 1:
        return image
    # A mean over two axes of a view costs numpy ten times as much as these sums.
    total = np.zeros((PIXELS, PIXELS, 3), np.uint32)
    for row in range(block):
        for column in range(block):
            total += image[row::block, column::block]
    return np.rint(total / block**2).astype(np.uint8)
