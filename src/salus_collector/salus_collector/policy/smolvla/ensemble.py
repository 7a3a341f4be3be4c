"""From the name of a policy to its members: an ensemble folder, one checkpoint, or several.

An ensemble folder holds `ensemble.json`:

    {"schema_version": 1, "name": "small", "base": "base", "experts": ["experts/1.safetensors"],
     "version": "1.0.0"}

`version`, which may be missing, is that of the weights: the policy is then called `small 1.0.0`.
`base` is a whole checkpoint and the first member; every further member is a safetensors file with
the tensors in which its action expert differs from the base's.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salus_collector.policy.smolvla.adapter import Adapter
from salus_collector.policy.smolvla.checkpoint import (
    Checkpoint,
    checkpoint_folder,
    load_checkpoint,
    real_cameras,
)
from salus_collector.policy.smolvla.experts import Experts, expert_tensors, is_expert
from salus_collector.policy.smolvla.small import absent_images
from salus_data.errors import PolicyError

MANIFEST: Final = "ensemble.json"
STATISTICS: Final = "embedding_stats.safetensors"
SCHEMA_VERSION: Final = 1
FIELDS: Final = {"schema_version", "name", "base", "experts"}
OPTIONAL: Final = {"version"}

Array = NDArray[np.float64]
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Samples:
    """What the members answer to one observation.

    Attributes:
        actions: (K, S, T, D) in the action space's units.
        velocity: (K, S, T, D) of the first flow step, in the policy's normalised action units.
        embedding: (E,) hidden state, see `experts.Flow`.
    """

    actions: Array
    velocity: Array
    embedding: NDArray[np.float32]

    def first(self, members: int) -> "Samples":
        """What the first members alone would have answered; the hidden state is the first one's."""
        return Samples(self.actions[:members], self.velocity[:members], self.embedding)


class SharedPrefix:
    """Members that differ in their action experts only; the prefix is computed once."""

    def __init__(self, checkpoint: Checkpoint, members: Sequence[Mapping[str, Tensor]]) -> None:
        self.checkpoint, self.size = checkpoint, len(members)
        self._experts = Experts(checkpoint.policy, members)
        config = checkpoint.policy.config
        self._absent = absent_images(config, 1, config.device)

    @property
    def adapter(self) -> Adapter:
        """Of the base."""
        return self.checkpoint.adapter

    @property
    def embedding_size(self) -> int:
        """Width of the embedding."""
        model = self.checkpoint.policy.model.vlm_with_expert
        return int(model.config.text_config.hidden_size + model.expert_hidden_size)

    def noise_shape(self, noises: int) -> tuple[int, int, int]:
        """Of the noise that `sample` takes, (S, T, A)."""
        config = self.checkpoint.policy.config
        return noises, config.chunk_size, config.max_action_dim

    def sample(self, inputs: Mapping[str, Any], noise: NDArray[np.float32]) -> Samples:
        """Chunks for one observation.

        Args:
            inputs: as LeRobot's pre-processor takes them: `observation.state` (S,), images
                (3, H, W) in 0..1, `task`.
            noise: (S, T, A) standard normal, the same for all members.
        """
        own = self.checkpoint
        batch = self._batch(inputs)
        device = own.policy.config.device
        flow = self._experts.flow(batch, torch.from_numpy(noise).to(device))
        return Samples(
            own.postprocess(flow.actions).double().numpy(),
            flow.velocity.double().cpu().numpy(),
            flow.embedding.float().cpu().numpy(),
        )

    def prefix(self, inputs: Mapping[str, Any]) -> None:
        """Compute what the members share, and nothing else; for measurements."""
        self._experts.prefix(self._batch(inputs))

    def _batch(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        batch: dict[str, Any] = self.checkpoint.preprocess(dict(inputs))
        return batch | self._absent


class WholePolicies:
    """Members that share nothing: whole policies, one after the other."""

    def __init__(self, members: Sequence[SharedPrefix]) -> None:
        self._members, self.size = tuple(members), len(members)

    @property
    def adapter(self) -> Adapter:
        """Of the first."""
        return self._members[0].adapter

    @property
    def embedding_size(self) -> int:
        """Width of the embedding."""
        return self._members[0].embedding_size

    def noise_shape(self, noises: int) -> tuple[int, int, int]:
        """Of the noise that `sample` takes, (S, T, A)."""
        return self._members[0].noise_shape(noises)

    def sample(self, inputs: Mapping[str, Any], noise: NDArray[np.float32]) -> Samples:
        """As `SharedPrefix.sample`; the embedding is the first member's."""
        parts = [member.sample(inputs, noise) for member in self._members]
        return Samples(
            np.concatenate([part.actions for part in parts]),
            np.concatenate([part.velocity for part in parts]),
            parts[0].embedding,
        )


Members = SharedPrefix | WholePolicies


@dataclass(frozen=True)
class Source:
    """What a policy's name stands for: checkpoints, and files of further experts."""

    name: str
    checkpoints: tuple[Path, ...]
    experts: tuple[Path, ...] = ()
    folder: Path | None = None  # of the ensemble
    version: str = ""  # of its weights, where the manifest has one


def find_source(name: str) -> Source:
    """What `name` stands for; nothing is loaded.

    Args:
        name: an ensemble folder, a checkpoint folder, a hub id, or several with commas between.

    Raises:
        PolicyError: there is nothing of that name, or the manifest is wrong.
    """
    if "," in name:
        folders = tuple(checkpoint_folder(part.strip()) for part in name.split(",") if part.strip())
        return Source("+".join(folder.name for folder in folders), folders)
    folder = checkpoint_folder(name)
    path = folder / MANIFEST
    if not path.is_file():
        return Source(folder.name, (folder,))
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        missing, version = sorted(FIELDS - set(data)), data.get("schema_version")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise PolicyError(f"{path}: not an ensemble manifest: {error}") from error
    if missing:
        raise PolicyError(f"{path}: lacks {missing}; fields: {', '.join(sorted(FIELDS))}")
    if unknown := sorted(set(data) - FIELDS - OPTIONAL):
        raise PolicyError(
            f"{path}: unknown {unknown}; fields: {', '.join(sorted(FIELDS | OPTIONAL))}"
        )
    if version != SCHEMA_VERSION:
        raise PolicyError(f"{path}: schema_version is {version!r}; known: {SCHEMA_VERSION}")
    experts = tuple(folder / str(expert) for expert in data["experts"])
    for expert in experts:
        if not expert.is_file():
            raise PolicyError(f"{expert}: no such file, but {path} lists it in `experts`")
    version = str(data.get("version", ""))
    base = folder / str(data["base"])
    name = f"{data['name']} {version}".strip()
    return Source(name, (base,), experts, folder, version)


def load_members(
    source: Source, *, device: str = "cpu", dtype: str = "float32", adapter: Path | None = None
) -> Members:
    """Load all members of a policy; device, dtype and adapter as in `load_checkpoint`.

    Raises:
        PolicyError: a member is broken, is a copy of another one, or does not fit the others.
    """
    checkpoints = [
        load_checkpoint(str(folder), device=device, dtype=dtype, adapter=adapter)
        for folder in source.checkpoints
    ]
    base = checkpoints[0]
    states = [expert_tensors(checkpoint.policy.model) for checkpoint in checkpoints]
    names = [str(checkpoint.folder) for checkpoint in checkpoints]
    for path in source.experts:
        states.append(states[0] | _read_expert(path, states[0]))
        names.append(str(path))
    shared = all(_same_prefix(base, other) for other in checkpoints[1:])
    if shared:
        _refuse_copies(states, names)
        return SharedPrefix(base, states)
    for other in checkpoints[1:]:
        _require_same_interface(base, other)
    LOG.warning(
        "%s: the checkpoints differ outside their action experts, so each computes a prefix of its "
        "own: %d members cost %d times one",
        source.name,
        len(checkpoints),
        len(checkpoints),
    )
    return WholePolicies(
        [SharedPrefix(c, [state]) for c, state in zip(checkpoints, states, strict=True)]
    )


def _read_expert(path: Path, base: Mapping[str, Tensor]) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise PolicyError(f"{path}: not a safetensors file: {error}") from error
    tensors = {name.removeprefix("model."): value for name, value in tensors.items()}
    for name, value in tensors.items():
        if not is_expert(name) or name not in base:
            raise PolicyError(f"{path}: {name} is no tensor of the base's action expert")
        if value.shape != base[name].shape:
            raise PolicyError(
                f"{path}: {name} has shape {list(value.shape)}, the base has "
                f"{list(base[name].shape)}"
            )
        if not bool(torch.isfinite(value).all()):
            raise PolicyError(f"{path}: {name} is not finite")
    return {name: value.to(base[name]) for name, value in tensors.items()}


def _refuse_copies(states: Sequence[Mapping[str, Tensor]], names: Sequence[str]) -> None:
    for (i, one), (k, other) in combinations(enumerate(states), 2):
        if all(torch.equal(one[name], other[name]) for name in one):
            raise PolicyError(
                f"{names[k]} is a copy of {names[i]}: copies agree on everything, so they are no "
                "ensemble; give members that were trained apart, or one alone"
            )


def _same_prefix(base: Checkpoint, other: Checkpoint) -> bool:
    """Whether everything outside the action experts is the same, bit by bit."""
    mine, theirs = base.policy.model.state_dict(), other.policy.model.state_dict()
    if {n: v.shape for n, v in mine.items()} != {n: v.shape for n, v in theirs.items()}:
        return False
    return (
        all(torch.equal(mine[name], theirs[name]) for name in mine if not is_expert(name))
        and base.policy.config.num_steps == other.policy.config.num_steps
        and base.adapter.to_json() | {"provenance": {}}
        == other.adapter.to_json() | {"provenance": {}}
        and all(
            _same_pipeline(getattr(base, name), getattr(other, name))
            for name in ("preprocess", "postprocess")
        )
    )


def _same_pipeline(one: Any, other: Any) -> bool:
    for mine, theirs in zip(one.steps, other.steps, strict=False):
        a, b = mine.state_dict(), theirs.state_dict()
        if a.keys() != b.keys() or not all(torch.equal(a[key], b[key]) for key in a):
            return False
    return len(one.steps) == len(other.steps)


def _require_same_interface(base: Checkpoint, other: Checkpoint) -> None:
    for what, mine, theirs in (
        ("action_space", base.adapter.action_space, other.adapter.action_space),
        ("state", base.adapter.state, other.adapter.state),
        ("cameras", base.adapter.cameras, other.adapter.cameras),
        ("chunk_size", base.policy.config.chunk_size, other.policy.config.chunk_size),
        ("max_action_dim", base.policy.config.max_action_dim, other.policy.config.max_action_dim),
        ("cameras", real_cameras(base.policy.config), real_cameras(other.policy.config)),
    ):
        if mine != theirs:
            raise PolicyError(
                f"{other.folder}: {what} differs from that of {base.folder}; the members of an "
                "ensemble need the same inputs and outputs"
            )
