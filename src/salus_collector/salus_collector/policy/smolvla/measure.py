"""What an ensemble costs: python -m salus_collector.policy.smolvla.measure [--configuration 450m].

Random weights: the cost does not depend on them. Every figure stands beside its alternative, which
runs in turn with it, so that a busy machine burdens both.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
from numpy.typing import NDArray

from salus_collector.policy.base import EpisodeStart
from salus_collector.policy.settings import PolicySettings
from salus_collector.policy.signals.stream import PolicySignals
from salus_collector.policy.smolvla.adapter import Adapter
from salus_collector.policy.smolvla.pose_state import pose_state
from salus_collector.policy.smolvla.small import (
    Architecture,
    absent_images,
    small_policy,
    write_vlm,
)
from salus_data.action_space import DELTA_EE
from salus_data.errors import UnknownNameError
from salus_data.layout import PERCEIVED, STATE

CAMERAS: Final = {"observation.images.front": "front", "observation.images.wrist": "wrist"}

CONFIGURATIONS: Final[dict[str, tuple[Architecture, dict[str, str]]]] = {
    "small": (Architecture(), {}),
    # SmolVLA as LeRobot publishes it (smolvla_base): SmolVLM2-500M, its first 16 layers.
    "450m": (
        Architecture(
            hidden=960,
            layers=16,
            heads=15,
            key_value_heads=5,
            intermediate=2560,
            vision_hidden=768,
            vision_layers=12,
            vision_heads=12,
            image=512,
            patch=16,
            merge=4,
            chunk=50,
            flow_steps=10,
            vocabulary=384,
        ),
        CAMERAS,
    ),
}
"""Sizes by name, and the cameras that are read."""

TASK: Final = "pick up the red cube and place it in the blue bin"


@dataclass(frozen=True)
class PolicyCost:
    """What an ensemble of `members` costs; times are medians [s].

    Attributes:
        configuration: of CONFIGURATIONS.
        weights: `random`, always.
        parameters: of one whole policy, in millions.
        members, noises, device, dtype, threads: as measured.
        ensemble: one sampling of all members over the shared prefix.
        one_member: the same by one member alone.
        loop: the same by `members` whole policies of LeRobot, one after the other.
        one_lerobot: the same by one whole policy of LeRobot.
        prefix: the part that the members share.
        signals: all uncertainty signals of one sampling.
        step_p50, step_p99, step_mean: `SmolVLA.act` over an episode with the default settings.
        ensemble_ratio: `ensemble` over `one_member`, median of the rounds.
        loop_ratio: `loop` over `one_lerobot`, median of the rounds.
        signals_share: `signals` over `ensemble`.
        weights_mb, whole_mb: memory of the ensemble's weights, and of as many whole policies [MB].
        resident_mb: of this process at the end [MB].
    """

    configuration: str
    weights: str
    parameters: float
    members: int
    noises: int
    device: str
    dtype: str
    threads: int
    ensemble: float
    one_member: float
    loop: float
    one_lerobot: float
    prefix: float
    signals: float
    step_p50: float
    step_p99: float
    step_mean: float
    ensemble_ratio: float
    loop_ratio: float
    signals_share: float
    weights_mb: float
    whole_mb: float
    resident_mb: float

    def lines(self) -> list[str]:
        """For people."""
        milliseconds = {
            f"ensemble of {self.members}, shared prefix": self.ensemble,
            "one member, same code": self.one_member,
            f"loop over {self.members} whole policies (LeRobot)": self.loop,
            "one whole policy (LeRobot)": self.one_lerobot,
            "of it: prefix": self.prefix,
            "signals of one sampling": self.signals,
            "step p50": self.step_p50,
            "step p99": self.step_p99,
            "step mean": self.step_mean,
        }
        return [
            f"{self.configuration}, {self.weights} weights, {self.parameters:.1f} M parameters, "
            f"{self.noises} noises, {self.device}, {self.dtype}, {self.threads} threads",
            *(f"{name:<44}{1e3 * value:10.2f} ms" for name, value in milliseconds.items()),
            f"{'ensemble / one member':<44}{self.ensemble_ratio:10.2f}",
            f"{'loop / one whole policy':<44}{self.loop_ratio:10.2f}",
            f"{'signals / ensemble':<44}{self.signals_share:10.3f}",
            f"{'weights of the ensemble':<44}{self.weights_mb:10.1f} MB",
            f"{'weights of whole policies':<44}{self.whole_mb:10.1f} MB",
            f"{'resident memory of the process':<44}{self.resident_mb:10.1f} MB",
        ]


def write_random_checkpoint(
    folder: Path, architecture: Architecture, cameras: Mapping[str, str]
) -> None:
    """Write a checkpoint with random weights, as LeRobot saves one."""
    import torch
    from lerobot.policies.factory import make_pre_post_processors

    adapter = Adapter(DELTA_EE, pose_state(), dict(cameras), provenance={"weights": "random"})
    folder.mkdir(parents=True, exist_ok=True)
    write_vlm(folder / "vlm", architecture)
    torch.manual_seed(0)
    policy = small_policy(
        folder / "vlm",
        architecture,
        state_size=adapter.size,
        action_size=DELTA_EE.size,
        cameras=tuple(cameras),
        settings={"max_state_dim": max(32, adapter.size), "max_action_dim": 32},
    )
    policy.save_pretrained(folder)
    low, high = (torch.tensor(getattr(DELTA_EE, name)) for name in ("low", "high"))
    stats = {
        "observation.state": {"mean": torch.zeros(adapter.size), "std": torch.ones(adapter.size)},
        "action": {"mean": (low + high) / 2, "std": (high - low) / 6},
    }
    for pipeline in make_pre_post_processors(policy.config, dataset_stats=stats):
        pipeline.save_pretrained(folder)
    adapter.write(folder)


def measure(
    configuration: str = "small",
    *,
    members: int = 5,
    noises: int = 4,
    rounds: int = 15,
    steps: int = 100,
    device: str = "cpu",
    dtype: str = "float32",
    threads: int = 1,
) -> PolicyCost:
    """Measure an ensemble against one member and against a loop over whole policies.

    Args:
        configuration: of CONFIGURATIONS.
        members: K, 2 or more.
        noises: S of every alternative.
        rounds: times that each alternative runs.
        steps: of the episode over which `SmolVLA.act` is timed.
        device: of torch.
        dtype: of the large layers.
        threads: of torch.

    Raises:
        UnknownNameError: there is no such configuration.
    """
    if configuration not in CONFIGURATIONS:
        raise UnknownNameError("configuration", configuration, CONFIGURATIONS)
    import torch

    from salus_collector.policy.smolvla.checkpoint import load_checkpoint
    from salus_collector.policy.smolvla.ensemble import SharedPrefix
    from salus_collector.policy.smolvla.experts import expert_tensors
    from salus_collector.policy.smolvla.policy import SmolVLA

    torch.set_num_threads(threads)
    architecture, cameras = CONFIGURATIONS[configuration]
    with tempfile.TemporaryDirectory() as temporary:
        write_random_checkpoint(Path(temporary), architecture, cameras)
        checkpoint = load_checkpoint(temporary, device=device, dtype=dtype)
        base = expert_tensors(checkpoint.policy.model)
        states = [
            {name: value + 0.01 * member * torch.randn_like(value) for name, value in base.items()}
            for member in range(members)
        ]
        ensemble, one = SharedPrefix(checkpoint, states), SharedPrefix(checkpoint, states[:1])
        settings = PolicySettings(device=device, dtype=dtype, noises=noises, threads=threads)
        policy = SmolVLA("random", ensemble, settings)
        observation = _observation(architecture.image, cameras)
        policy.reset(EpisodeStart(0, TASK, 1 / 30))
        inputs = policy.inputs(observation)
        shape = ensemble.noise_shape(noises)
        noise = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        batch = dict(checkpoint.preprocess(dict(inputs)))
        batch |= absent_images(checkpoint.policy.config, 1, device)
        prepared = {
            name: value.expand(noises, *value.shape[1:]) if hasattr(value, "expand") else value
            for name, value in batch.items()
        }

        def whole() -> None:
            given = torch.from_numpy(noise).to(device)
            chunk = checkpoint.policy.predict_action_chunk(dict(prepared), noise=given)
            checkpoint.postprocess(chunk)

        def loop() -> None:
            for _ in range(members):
                whole()

        drawn = ensemble.sample(inputs, noise)
        joined, stream = policy.new_signals(1 / 30), PolicySignals(1 / 30)

        def signals() -> None:
            stream.step(joined.sampling(drawn))

        times = _alternate(
            {
                "ensemble": lambda: ensemble.sample(inputs, noise),
                "one_member": lambda: one.sample(inputs, noise),
                "loop": loop,
                "one_lerobot": whole,
                "prefix": lambda: ensemble.prefix(inputs),
                "signals": signals,
            },
            rounds,
        )
        latencies = _episode(policy, observation, steps)
    medians = {name: statistics.median(values) for name, values in times.items()}
    size = sum(value.nbytes for value in checkpoint.policy.state_dict().values())
    expert = sum(value.nbytes for value in base.values())
    return PolicyCost(
        configuration=configuration,
        weights="random",
        parameters=sum(p.numel() for p in checkpoint.policy.parameters()) / 1e6,
        members=members,
        noises=noises,
        device=device,
        dtype=dtype,
        threads=threads,
        **medians,
        step_p50=float(np.percentile(latencies, 50)),
        step_p99=float(np.percentile(latencies, 99)),
        step_mean=float(np.mean(latencies)),
        ensemble_ratio=_ratio(times, "ensemble", "one_member"),
        loop_ratio=_ratio(times, "loop", "one_lerobot"),
        signals_share=medians["signals"] / medians["ensemble"],
        weights_mb=(size + (members - 1) * expert) / 1e6,
        whole_mb=members * size / 1e6,
        resident_mb=psutil.Process().memory_info().rss / 1e6,
    )


def _observation(image: int, cameras: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(0)
    state, perceived = random.normal(0, 0.3, len(STATE)), random.normal(0, 0.3, len(PERCEIVED))
    for part, start in ((state, 30), (perceived, 3), (perceived, 13), (perceived, 23)):
        part[start : start + 4] = (1, 0, 0, 0)
    shape = (image, image, 3)
    images = {f"image_{c}": random.integers(0, 256, shape, np.uint8) for c in cameras.values()}
    return {"state": state, "perceived": perceived, **images}


def _alternate(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Times [s] of every run, one of each a round; a first round warms up and is dropped."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, function in runs.items():
            began = time.perf_counter()
            function()
            if number:
                times[name].append(time.perf_counter() - began)
    return times


def _ratio(times: Mapping[str, list[float]], one: str, other: str) -> float:
    return statistics.median(a / b for a, b in zip(times[one], times[other], strict=True))


def _episode(policy: Any, observation: Mapping[str, NDArray[Any]], steps: int) -> list[float]:
    policy.reset(EpisodeStart(0, TASK, 1 / 30))
    latencies = []
    for _ in range(steps):
        began = time.perf_counter()
        decision = policy.act(observation)
        latencies.append(time.perf_counter() - began)
        policy.executed(decision.action)
    return latencies


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description="What a SmolVLA ensemble costs.")
    parser.add_argument("--configuration", default="small", choices=list(CONFIGURATIONS))
    parser.add_argument("--members", type=int, default=5, help="of the ensemble [5]")
    parser.add_argument("--noises", type=int, default=4, help="samples a member [4]")
    parser.add_argument("--rounds", type=int, default=15, help="runs of each alternative [15]")
    parser.add_argument("--steps", type=int, default=100, help="of the timed episode [100]")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON, nothing else")
    options = vars(parser.parse_args())
    as_json = options.pop("json")
    cost = measure(**options)
    print(json.dumps(asdict(cost)) if as_json else "\n".join(cost.lines()))


if __name__ == "__main__":
    main()
