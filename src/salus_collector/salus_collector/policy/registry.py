"""Policies by name: `expert`, `smolvla`, a SmolVLA checkpoint, and what other packages register.

`smolvla` acts on the poses that the shipped localiser sees in the cameras; `smolvla-pose` is the
same ensemble acting on the poses that the simulation tells.

The entry points of the group `salus.policies` are callables without arguments that make a policy.
"""

from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from salus_collector.policy.base import Policy
from salus_collector.policy.expert import Expert
from salus_collector.policy.settings import PolicySettings
from salus_data.errors import PolicyError, UnknownNameError

GROUP: Final = "salus.policies"

EXPERT: Final = "expert"
SMOLVLA: Final = "smolvla"
POSE: Final = "smolvla-pose"

SHIPPED_SMOLVLA: Final = Path(__file__).parent / "smolvla" / "shipped"
"""The ensemble in this package; `salus_collector.policy.smolvla.shipped` puts one there."""

CHECKPOINTS: Final = "a checkpoint or ensemble folder, several with commas between, a hub id"


def policy_names() -> list[str]:
    """Every name that `make_policy` takes, besides checkpoints."""
    return [EXPERT, SMOLVLA, POSE, *sorted(entry_points(group=GROUP).names)]


def is_checkpoint(name: str) -> bool:
    """Whether a name that stands for no policy can stand for checkpoints."""
    return "/" in name or "," in name or Path(name).is_dir()


def absolute_policy(name: str) -> str:
    """The name with the folders in it made absolute, so that it means the same everywhere."""
    if name in policy_names() or not is_checkpoint(name):
        return name
    parts = [part.strip() for part in name.split(",") if part.strip()]
    return ",".join(str(Path(p).resolve()) if Path(p).is_dir() else p for p in parts)


def check_policy(name: str) -> None:
    """Refuse what cannot be a policy, without loading it.

    Raises:
        UnknownNameError: there is none of that name.
        PolicyError: it stands for checkpoints that are not there.
    """
    if name in policy_names():
        if name in (SMOLVLA, POSE):
            shipped()
        return
    if not is_checkpoint(name):
        raise UnknownNameError("policy", name, [*policy_names(), CHECKPOINTS])
    from salus_collector.policy.smolvla.ensemble import find_source

    find_source(name)


def make_policy(name: str, settings: PolicySettings | None = None) -> Policy:
    """The policy of that name, ready to be reset.

    Args:
        name: one of `policy_names`, or checkpoints.
        settings: of a SmolVLA; of no effect on others.

    Raises:
        UnknownNameError: there is none of that name.
        PolicyError: its checkpoint cannot be loaded.
    """
    if name == EXPERT:
        return Expert()
    for entry in entry_points(group=GROUP, name=name):
        policy: Policy = entry.load()()
        return policy
    if name not in (SMOLVLA, POSE) and not is_checkpoint(name):
        raise UnknownNameError("policy", name, [*policy_names(), CHECKPOINTS])
    from salus_collector.policy.smolvla.policy import load_smolvla

    if name != SMOLVLA:
        return load_smolvla(str(shipped()) if name == POSE else name, settings)
    from salus_collector.perception.localiser import Localiser
    from salus_collector.perception.sighted import SightedPolicy

    return SightedPolicy(SMOLVLA, load_smolvla(str(shipped()), settings), Localiser.load())


def shipped() -> Path:
    """The folder of the SmolVLA ensemble in this package.

    Raises:
        PolicyError: this build has none.
    """
    if not (SHIPPED_SMOLVLA / "ensemble.json").is_file():
        raise PolicyError(
            f"policy {SMOLVLA}: this installation has no {SHIPPED_SMOLVLA}; give the folder of a "
            "checkpoint or an ensemble, such as `salus clone` writes"
        )
    return SHIPPED_SMOLVLA
