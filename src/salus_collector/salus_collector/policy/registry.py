"""Policies by name: `expert`, and whatever is registered in the group `salus.policies`."""

from importlib.metadata import entry_points
from typing import Final

from salus_collector.policy.base import Policy
from salus_collector.policy.expert import Expert
from salus_data.errors import UnknownNameError

GROUP: Final = "salus.policies"
"""Entry points whose target is a callable without arguments that makes a policy."""


def policy_names() -> list[str]:
    """Every name that `make_policy` takes."""
    return ["expert", *sorted(entry_points(group=GROUP).names)]


def make_policy(name: str) -> Policy:
    """The policy of that name, ready to be reset.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name == "expert":
        return Expert()
    for entry in entry_points(group=GROUP, name=name):
        policy: Policy = entry.load()()
        return policy
    raise UnknownNameError("policy", name, policy_names())
