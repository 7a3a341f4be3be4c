"""Trains the localiser on rendered frames with the simulator's truth.

python -m salus_collector.perception.train --out localiser.safetensors
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from salus_collector.perception.frames import Frames, expert_frames
from salus_collector.perception.localiser import SHIPPED, Localiser
from salus_collector.perception.network import LocaliserNetwork
from salus_collector.perception.targets import OBSTACLE, ORIGIN, QUANTITIES, SCALE
from salus_collector.sim.disturbance_config import load_mix
from salus_data.errors import FormatError

Rows = NDArray[np.int64]

BATCH: Final = 64
HELD_OUT: Final = 0.1
"""Share of the episodes, the last ones, that are only measured on."""

_ORIGIN: Final = torch.tensor(ORIGIN, dtype=torch.float32)
_SCALE: Final = torch.tensor(SCALE, dtype=torch.float32)


def gather(episodes: int, seed: int, disturbances: str) -> tuple[Frames, int]:
    """Render; returns all frames, and how many of them are to be learnt from."""
    parts: list[Frames] = []
    boundary = 0
    rendered = expert_frames(episodes, seed, load_mix(disturbances))
    for index, frames in enumerate(track(rendered, "rendering", total=episodes)):
        parts.append(frames)
        if index < episodes * (1 - HELD_OUT):
            boundary += len(frames)
    merged = Frames(
        np.concatenate([p.images for p in parts]),
        np.concatenate([p.pose for p in parts]),
        np.concatenate([p.values for p in parts]),
        np.concatenate([p.present for p in parts]),
    )
    return merged, boundary


def loss(network: LocaliserNetwork, batch: tuple[Tensor, ...]) -> Tensor:
    """Gaussian negative log likelihood of the quantities, cross entropy of the obstacle.

    Args:
        network: to be judged.
        batch: images (B, cameras, 3, p, p) in [0, 1], pose (B, 9), values (B, 10), present (B,).
    """
    images, pose, values, present = batch
    mean, log_sigma, logit = network(images, pose)
    asked = torch.ones_like(mean)
    asked[:, OBSTACLE] = present[:, None]
    error = ((values - _ORIGIN) / _SCALE - mean) * torch.exp(-log_sigma)
    likelihood = ((0.5 * error.square() + log_sigma) * asked).mean()
    there = torch.nn.functional.binary_cross_entropy_with_logits(logit, present)
    both: Tensor = likelihood + there
    return both


def take(
    frames: Frames, rows: Rows, random: np.random.Generator | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows as a batch; with `random`, light and colours vary as lamps and cameras do."""
    images = torch.from_numpy(frames.images[rows]).permute(0, 1, 4, 2, 3).float() / 255
    if random is not None:
        shape = (len(rows), images.shape[1], 3, 1, 1)
        gain = torch.from_numpy(random.normal(1.0, 0.1, shape)).float()
        light = torch.from_numpy(random.normal(0.0, 0.05, (len(rows), 1, 1, 1, 1))).float()
        images = (images * gain + light).clamp(0, 1)
    present = torch.from_numpy(frames.present[rows]).float()
    pose, values = (torch.from_numpy(array[rows]) for array in (frames.pose, frames.values))
    return images, pose, values, present


@torch.inference_mode()
def measure(network: LocaliserNetwork, frames: Frames, rows: Rows) -> dict[str, float]:
    """Median and 95th percentile of the errors [m; 1], share of obstacles told right."""
    network.eval()
    means, logits = [], []
    for start in range(0, len(rows), 256):
        images, pose, _, _ = take(frames, rows[start : start + 256], None)
        mean, _, logit = network(images, pose)
        means.append(ORIGIN + mean.numpy() * SCALE)
        logits.append(logit.numpy())
    error = np.abs(np.concatenate(means) - frames.values[rows])
    present = frames.present[rows]
    found = {"obstacle.accuracy": float(((np.concatenate(logits) > 0) == present).mean())}
    near = np.abs(frames.values[rows, 2]) < 0.12
    for k, name in enumerate(QUANTITIES):
        asked = present if name.startswith("obstacle") else np.ones_like(present)
        if not asked.any():
            continue
        found[f"{name}.median_error"] = float(np.median(error[asked, k]))
        found[f"{name}.p95_error"] = float(np.quantile(error[asked, k], 0.95))
        if (asked & near).any():
            found[f"{name}.median_error_near"] = float(np.median(error[asked & near, k]))
    return found


def fit(frames: Frames, boundary: int, epochs: int, seed: int) -> LocaliserNetwork:
    """Learn from the first `boundary` frames; one cycle of AdamW.

    Raises:
        FormatError: there are fewer frames than one batch, or none is held out.
    """
    if not BATCH <= boundary < len(frames):
        raise FormatError(
            f"{boundary} frames to learn from and {len(frames) - boundary} held out; "
            f"{BATCH} and 1 are the least: render more episodes"
        )
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    random = np.random.default_rng(seed)
    network = LocaliserNetwork()
    steps = epochs * (boundary // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    for epoch in range(epochs):
        network.train()
        order = random.permutation(boundary)
        total = 0.0
        for k in range(boundary // BATCH):
            value = loss(network, take(frames, np.sort(order[k * BATCH : (k + 1) * BATCH]), random))
            optimiser.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += float(value.detach())
        held = measure(network, frames, np.arange(boundary, len(frames)))
        mean = total / (boundary // BATCH)
        print(f"epoch {epoch + 1}: loss {mean:.3f}, held out: {summary(held)}", flush=True)
    return network


def summary(found: dict[str, float]) -> str:
    """One line of what was measured; lengths in mm."""
    return ", ".join(
        f"{name} {1000 * value:.1f} mm" if _is_length(name) else f"{name} {value:.3f}"
        for name, value in found.items()
        if "near" not in name or name.startswith("object")
    )


def _is_length(name: str) -> bool:
    return not name.startswith(("object.cos", "object.sin", "obstacle.accuracy"))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--episodes", type=int, default=1000, help="expert episodes to render")
    parser.add_argument("--seed", type=int, default=5000, help="root seed of the episodes")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--disturbances", default="config/disturbances.yaml")
    chosen = parser.parse_args()
    frames, boundary = gather(chosen.episodes, chosen.seed, chosen.disturbances)
    print(f"{boundary} frames to learn from, {len(frames) - boundary} held out", flush=True)
    network = fit(frames, boundary, chosen.epochs, seed=0)
    found = measure(network, frames, np.arange(boundary, len(frames)))
    asked = {k: str(v) for k, v in vars(chosen).items() if k != "out"}
    Localiser(network).save(chosen.out, {"asked": asked, "held_out": found})
    print(f"{chosen.out}: {summary(found)}")


if __name__ == "__main__":
    main()
