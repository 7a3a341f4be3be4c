"""Behaviour cloning of a small SmolVLA ensemble, on the CPU, with LeRobot's training API.

python -m salus_collector.policy.smolvla.train STORE --out DIR [--members 5] [--steps 4000]

STORE holds demonstrations (`salus collect --disturbances config/demonstrations.yaml --image-size
0`).
They are exported to a LeRobotDataset, DIR/dataset; member 0 is trained as a whole; the others
share its vision-language model and get action experts of their own: another seed, another order
of the data, another bootstrap of the episodes. What is done already is not done again.

LeRobot's dataset, policy, processors, optimiser and schedule are used; its script is not, because
it needs an image, loads every row by itself and cannot swap experts over a frozen prefix. A large
model on a GPU is fine-tuned by that script: docs/POLICY.md.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from salus_collector.policy.smolvla.adapter import Adapter
from salus_collector.policy.smolvla.demonstrations import Demonstrations
from salus_collector.policy.smolvla.export import export_lerobot
from salus_collector.policy.smolvla.pose_state import pose_state
from salus_collector.policy.smolvla.small import (
    VLM_FOLDER,
    Architecture,
    absent_images,
    offline,
    small_policy,
    write_vlm,
)
from salus_data.action_space import DELTA_EE
from salus_data.errors import SalusError
from salus_data.view import StoreView

EXPERT: Final = (
    "model.vlm_with_expert.lm_expert.",
    "model.action_in_proj.",
    "model.action_out_proj.",
    "model.action_time_mlp_in.",
    "model.action_time_mlp_out.",
)
"""The parts in which the members of an ensemble differ."""

ENSEMBLE_FILE: Final = "ensemble.json"


@dataclass(frozen=True)
class TrainingSettings:
    """How the members are trained.

    Attributes:
        members: of the ensemble, 1 or more.
        steps: of member 0, trained as a whole.
        expert_steps: of each further member, of which only the expert is trained.
        batch_size: rows a step.
        learning_rate: peak; warms up over `warmup` steps and falls to a hundredth as a cosine.
        warmup: steps.
        seed: of weights, order and bootstraps; member k uses seed + k.
        state_noise: standard deviation added to the normalised state, so that the policy does not
            lean on digits that it will not see again.
    """

    members: int = 5
    steps: int = 4000
    expert_steps: int = 2500
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup: int = 200
    seed: int = 0
    state_noise: float = 0.01


def pose_adapter(provenance: dict[str, Any]) -> Adapter:
    """The adapter of the shipped policy: `delta_ee` actions, poses, no camera."""
    return Adapter(DELTA_EE, pose_state(), {}, 4, provenance)


def train_member(
    policy: Any,
    preprocessor: Any,
    data: Demonstrations,
    settings: TrainingSettings,
    *,
    member: int,
    on_step: Callable[[int, float], None] | None = None,
) -> None:
    """Train the parameters of `policy` that want a gradient, in place.

    Args:
        policy: SmolVLAPolicy; its configuration gives optimiser and schedule.
        preprocessor: of that policy, with the statistics of `data`.
        data: what is imitated.
        settings: batch size, seed and noise.
        member: 0 sees every episode; others a bootstrap of them.
        on_step: called with steps done and loss.
    """
    import torch

    seed = settings.seed + member
    random = np.random.default_rng([seed, 0])
    torch.manual_seed(seed)
    steps = settings.steps if member == 0 else settings.expert_steps
    rows = data.bootstrap(None if member == 0 else seed)
    parameters = [p for p in policy.parameters() if p.requires_grad]
    optimizer = policy.config.get_optimizer_preset().build(parameters)
    scheduler = policy.config.get_scheduler_preset().build(optimizer, steps)
    policy.train()
    for step in range(steps):
        batch = data.batch(random.choice(rows, settings.batch_size), policy.config.chunk_size)
        batch = preprocessor(batch)
        noise = torch.randn_like(batch["observation.state"])
        batch["observation.state"] = batch["observation.state"] + settings.state_noise * noise
        batch.update(absent_images(policy.config, settings.batch_size))
        loss, _ = policy.forward(batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, policy.config.optimizer_grad_clip_norm)
        optimizer.step()
        scheduler.step()
        if on_step is not None:
            on_step(step + 1, float(loss.item()))
    policy.eval()


def _new_policy(
    vlm: Path, architecture: Architecture, adapter: Adapter, settings: TrainingSettings, member: int
) -> Any:
    import torch

    torch.manual_seed(1000 + settings.seed + member)
    steps = settings.steps if member == 0 else settings.expert_steps
    return small_policy(
        vlm,
        architecture,
        state_size=adapter.size,
        action_size=adapter.action_space.size,
        settings={
            "n_action_steps": adapter.n_action_steps,
            "optimizer_lr": settings.learning_rate,
            "scheduler_warmup_steps": min(settings.warmup, steps // 10),
            "scheduler_decay_steps": steps,
            "scheduler_decay_lr": settings.learning_rate / 100,
        },
    )


def _train_base(
    folder: Path,
    data: Demonstrations,
    architecture: Architecture,
    adapter: Adapter,
    settings: TrainingSettings,
    on_step: Callable[[int, float], None] | None,
) -> None:
    """Member 0, a whole checkpoint as LeRobot saves it."""
    from lerobot.policies.factory import make_pre_post_processors

    write_vlm(folder / VLM_FOLDER, architecture, [data.task])
    policy = _new_policy(folder / VLM_FOLDER, architecture, adapter, settings, 0)
    preprocessor, postprocessor = make_pre_post_processors(policy.config, dataset_stats=data.stats)
    train_member(policy, preprocessor, data, settings, member=0, on_step=on_step)
    _freeze_but_expert(policy)
    policy.save_pretrained(folder)
    preprocessor.save_pretrained(folder)
    postprocessor.save_pretrained(folder)
    make_relocatable(folder)
    adapter.write(folder)


def _train_expert(
    base: Path,
    file: Path,
    data: Demonstrations,
    architecture: Architecture,
    settings: TrainingSettings,
    member: int,
    on_step: Callable[[int, float], None] | None,
) -> None:
    """A further member: an expert from scratch over the language model of the base."""
    from lerobot.policies.factory import make_pre_post_processors
    from safetensors.torch import load_file, save_file

    adapter = Adapter.read(base)
    policy = _new_policy(base / VLM_FOLDER, architecture, adapter, settings, member)
    shared = {k: v for k, v in load_file(base / "model.safetensors").items() if not is_expert(k)}
    missing, unexpected = policy.load_state_dict(shared, strict=False)
    if unexpected or not all(is_expert(name) for name in missing):
        raise SalusError(f"{base}: weights of another architecture; remove the folder")
    _freeze_but_expert(policy)
    preprocessor, _ = make_pre_post_processors(policy.config, dataset_stats=data.stats)
    train_member(policy, preprocessor, data, settings, member=member, on_step=on_step)
    own = {k: v.contiguous() for k, v in policy.state_dict().items() if is_expert(k)}
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(own, file.with_suffix(".part"))
    file.with_suffix(".part").rename(file)


def is_expert(name: str) -> bool:
    """Whether a tensor of that name belongs to what the members differ in."""
    return name.startswith(EXPERT)


def _freeze_but_expert(policy: Any) -> None:
    policy.config.train_expert_only = True
    policy.config.freeze_vision_encoder = True
    policy.config.train_state_proj = False
    for name, parameter in policy.named_parameters():
        parameter.requires_grad_(is_expert(name) and "lm_head" not in name)


def make_relocatable(folder: Path) -> None:
    """Write `vlm` in place of the absolute path that LeRobot stores; loading puts it back."""
    for path in (folder / "config.json", folder / "policy_preprocessor.json"):
        text = path.read_text(encoding="utf-8")
        own = json.dumps(str(folder / VLM_FOLDER))
        path.write_text(text.replace(own, json.dumps(VLM_FOLDER)), encoding="utf-8")


def train_ensemble(
    stores: list[Path],
    out: Path,
    settings: TrainingSettings,
    *,
    architecture: Architecture | None = None,
    only_member: int | None = None,
    report: Callable[[str, int, int, float], None] | None = None,
) -> Path:
    """Export, train every member that is not there yet, and write the ensemble.

    Args:
        stores: demonstrations.
        out: folder; `dataset`, `ensemble`.
        settings: how.
        architecture: the sizes; the usual ones if None.
        only_member: train this one only, so that several processes can share the work.
        report: called with what is done, steps done, steps to do and loss.

    Returns:
        The ensemble's folder, complete when all members are there.
    """
    import torch

    torch.set_num_threads(1)
    own = architecture or Architecture()
    ensemble, dataset = out / "ensemble", out / "dataset"
    base = ensemble / "base"
    if not (dataset / "salus_adapter.json").exists():
        view = StoreView(stores)
        adapter = pose_adapter(_provenance(view, stores, settings, own))
        export_lerobot(
            view,
            dataset,
            adapter,
            on_progress=lambda done, total: report and report("export", done, total, np.nan),
        )
    adapter = Adapter.read(dataset)
    data = Demonstrations.read(dataset)

    def on_step(name: str, total: int) -> Callable[[int, float], None]:
        return lambda step, loss: report(name, step, total, loss) if report else None

    if only_member in (None, 0) and not (base / "salus_adapter.json").exists():
        watch = on_step("member 0", settings.steps)
        _train_base(base, data, own, adapter, settings, watch)
    files = [ensemble / "experts" / f"{k}.safetensors" for k in range(1, settings.members)]
    for member, file in enumerate(files, start=1):
        if only_member in (None, member) and not file.exists():
            watch = on_step(f"member {member}", settings.expert_steps)
            _train_expert(base, file, data, own, settings, member, watch)
    description = {
        "schema_version": 1,
        "name": "smolvla-pose",
        "base": "base",
        "experts": [f"experts/{file.name}" for file in files],
    }
    (ensemble / ENSEMBLE_FILE).write_text(
        json.dumps(description, indent=1) + "\n", encoding="utf-8"
    )
    return ensemble


def _provenance(
    view: StoreView, stores: list[Path], settings: TrainingSettings, architecture: Architecture
) -> dict[str, Any]:
    from importlib.metadata import version

    names = " ".join(path.name for path in stores)
    return {
        "command": f"python -m salus_collector.policy.smolvla.train {names}",
        "episodes": len(view),
        "root_seeds": sorted({record.id.rsplit("-", 1)[0] for record in view.records}),
        "demonstrator": sorted({record.policy for record in view.records}),
        "settings": asdict(settings),
        "architecture": asdict(architecture),
        "lerobot": version("lerobot"),
        "torch": version("torch"),
    }


def main(arguments: list[str] | None = None) -> int:
    """The command line; exits with 2 on wrong use."""
    usual = TrainingSettings()
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("stores", type=Path, nargs="+", help="stores of demonstrations")
    parser.add_argument("--out", type=Path, required=True, help="folder; goes on where it stopped")
    parser.add_argument("--members", type=int, default=usual.members, help="of the ensemble")
    parser.add_argument("--steps", type=int, default=usual.steps, help="of member 0")
    parser.add_argument(
        "--expert-steps", type=int, default=usual.expert_steps, help="of each further member"
    )
    parser.add_argument("--batch-size", type=int, default=usual.batch_size, help="rows a step")
    parser.add_argument("--lr", type=float, default=usual.learning_rate, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=usual.seed, help="of weights and data order")
    parser.add_argument(
        "--only-member", type=int, help="train this member only, for processes side by side"
    )
    chosen = parser.parse_args(arguments)
    settings = TrainingSettings(
        members=chosen.members,
        steps=chosen.steps,
        expert_steps=chosen.expert_steps,
        batch_size=chosen.batch_size,
        learning_rate=chosen.lr,
        seed=chosen.seed,
    )
    started = time.monotonic()

    def report(name: str, done: int, total: int, loss: float) -> None:
        if done % 100 == 0 or done == total:
            print(
                f"{name}: {done} of {total}, loss {loss:.3f}, {time.monotonic() - started:.0f} s",
                flush=True,
            )

    offline()
    try:
        folder = train_ensemble(
            chosen.stores, chosen.out, settings, only_member=chosen.only_member, report=report
        )
    except SalusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
