"""A policy with the localiser beside it: it acts as it would, and the cameras have their say."""

import dataclasses
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from salus_collector.perception.looking import LookingPolicy
from salus_collector.perception.signals import VISUAL_COLUMNS, visual_signals
from salus_collector.policy.base import Decision, Observation, Policy
from salus_collector.policy.intent import plan_ahead
from salus_data.contract import Column
from salus_data.errors import PolicyError
from salus_data.layout import EE_POSITION
from salus_data.signals import PERCEIVING

if TYPE_CHECKING:
    from salus_collector.perception.localiser import Localiser


class SeeingPolicy(LookingPolicy):
    """Adds the visual signals to those of a policy; implements `policy.base.Policy`.

    The actions are the policy's own, to the bit. `signals` are the policy's, then the visual ones.
    """

    @property
    def digest(self) -> str:
        """Of the policy and of the localiser, since both decide what the signals are."""
        both = f"{self.policy.digest} {self.localiser.digest}"
        return hashlib.sha256(both.encode()).hexdigest()[:16]

    @property
    def signals(self) -> tuple[Column, ...]:
        """Of the policy, then VISUAL_COLUMNS."""
        return (*self.policy.signals, *VISUAL_COLUMNS)

    def act(self, observation: Observation) -> Decision:
        """The policy's decision with the visual signals.

        Raises:
            FormatError: the images' size is no multiple of the localiser's.
        """
        decision, state = self.policy.act(observation), observation["state"]
        plan = plan_ahead(self.action_space, state[EE_POSITION], decision.intended)
        values, validity = visual_signals(
            self.look(observation), state, observation["perceived"], plan
        )
        return dataclasses.replace(
            decision,
            signals=np.concatenate([decision.signals, values]),
            validity=np.concatenate([decision.validity, validity]),
        )


def with_localiser(policy: Policy, localiser: str) -> Policy:
    """The policy, with a localiser beside it where one is named.

    Args:
        policy: that acts.
        localiser: `shipped`, a file of weights, or empty for none.

    Raises:
        FormatError: the file cannot be read.
        PolicyError: the policy looks for itself.
    """
    if not localiser:
        return policy
    _refuse_sighted(policy, "localiser")
    return SeeingPolicy(policy, _load(localiser))


def with_second_look(policy: Policy, localiser: str) -> Policy:
    """The policy, which looks again by that localiser once it was interfered with.

    Args:
        policy: that acts.
        localiser: `shipped`, a file of weights, or empty: it does not look.

    Raises:
        FormatError: the file cannot be read.
        PolicyError: the policy looks for itself.
    """
    if not localiser:
        return policy
    _refuse_sighted(policy, "second_look")
    from salus_collector.perception.second_look import SecondLook

    return SecondLook(policy, _load(localiser))


def _refuse_sighted(policy: Policy, parameter: str) -> None:
    about_objects = {signal.name for signal in PERCEIVING}
    if any(column.name in about_objects for column in policy.signals):
        raise PolicyError(
            f"policy {policy.name} acts on what the cameras show and gives the signals of it "
            f"itself; leave out `{parameter}`"
        )


def _load(localiser: str) -> "Localiser":
    # It brings torch, which takes seconds to load; the expert needs none of it.
    from salus_collector.perception.localiser import SHIPPED, Localiser

    return Localiser.load(SHIPPED if localiser == "shipped" else Path(localiser))
