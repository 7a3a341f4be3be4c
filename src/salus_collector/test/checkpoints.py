"""Tiny SmolVLA checkpoints with random weights, saved as LeRobot saves them."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from salus_collector.policy.smolvla.adapter import Adapter
from salus_collector.policy.smolvla.pose_state import pose_state
from salus_collector.policy.smolvla.small import Architecture, small_policy, write_vlm
from salus_data.action_space import DELTA_EE

TINY = Architecture(
    hidden=48, layers=2, heads=3, intermediate=64, vision_hidden=16, chunk=8, flow_steps=3
)
CAMERA = "observation.images.front"


def statistics(adapter: Adapter) -> dict[str, dict[str, torch.Tensor]]:
    """Statistics under which random chunks are sensible actions."""
    low, high = (torch.tensor(getattr(adapter.action_space, n)) for n in ("low", "high"))
    mean, spread = (low + high) / 2, (high - low) / 6
    size = adapter.size
    return {
        "observation.state": {"mean": torch.linspace(-0.1, 0.1, size), "std": torch.ones(size)},
        "action": {"mean": mean, "std": spread},
    }


def save_checkpoint(
    folder: Path,
    *,
    seed: int = 0,
    cameras: tuple[str, ...] = (),
    architecture: Architecture = TINY,
    n_action_steps: int = 4,
    settings: dict[str, Any] | None = None,
) -> Path:
    """Write a checkpoint with random weights; returns the folder."""
    from lerobot.policies.factory import make_pre_post_processors

    adapter = Adapter(
        DELTA_EE,
        pose_state(),
        {f"observation.images.{camera}": camera for camera in cameras},
        n_action_steps,
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_vlm(folder / "vlm", architecture)
    torch.manual_seed(seed)
    policy = small_policy(
        folder / "vlm",
        architecture,
        state_size=adapter.size,
        action_size=DELTA_EE.size,
        cameras=tuple(adapter.cameras),
        settings=settings,
    )
    policy.save_pretrained(folder)
    for pipeline in make_pre_post_processors(policy.config, dataset_stats=statistics(adapter)):
        pipeline.save_pretrained(folder)
    adapter.write(folder)
    return folder


def save_ensemble(folder: Path, members: int = 3, spread: float = 0.05, **base: Any) -> Path:
    """Write an ensemble folder whose further experts are the base's with noise on the weights."""
    import json

    from safetensors.torch import load_file

    save_checkpoint(folder / "base", **base)
    tensors = load_file(folder / "base" / "model.safetensors")
    experts = []
    (folder / "experts").mkdir()
    for member in range(1, members):
        random = torch.Generator().manual_seed(member)
        own = {
            name: value + spread * torch.randn(value.shape, generator=random)
            for name, value in tensors.items()
            if "lm_expert" in name or name.startswith("model.action_")
        }
        experts.append(f"experts/{member}.safetensors")
        save_file(own, folder / experts[-1])
    manifest = {"schema_version": 1, "name": "tiny", "base": "base", "experts": experts}
    (folder / "ensemble.json").write_text(json.dumps(manifest))
    return folder
