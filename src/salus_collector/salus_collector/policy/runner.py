"""A policy over one episode: waits out the idle time, then asks the policy step by step."""

import numpy as np
from numpy.typing import NDArray

from salus_collector.policy.base import Decision, EpisodeStart, Observation, Policy
from salus_data.errors import ActionError
from salus_data.layout import POSITION
from salus_data.types import Validity


class PolicyRunner:
    """Asks a policy for the action of every step of an episode, in order.

    The arm is held for the episode's idle steps and the policy is reset only then, so that elapsed
    time tells neither the policy nor a predictor anything.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._start: EpisodeStart | None = None
        self._idle_steps = 0
        self._step = 0

    def begin(self, start: EpisodeStart, idle_steps: int) -> None:
        """Begin an episode in which the first `idle_steps` observations are answered by a hold."""
        self._start, self._idle_steps, self._step = start, idle_steps, 0

    @property
    def step(self) -> int:
        """Index of the observation that is expected next."""
        return self._step

    def decide(self, observation: Observation) -> Decision:
        """Answer the next observation.

        Raises:
            ActionError: no episode was begun, or the policy's action is not one of its space.
        """
        if self._start is None:
            raise ActionError("asked for an action before an episode was begun")
        step, self._step = self._step, self._step + 1
        if step < self._idle_steps:
            return self._hold(observation)
        if step == self._idle_steps:
            self.policy.reset(self._start)
        decision = self.policy.act(observation)
        self.policy.action_space.check(decision.action, step=step)
        return decision

    def skip(self) -> None:
        """Leave the next observation unanswered, as one that cannot be used."""
        step, self._step = self._step, self._step + 1
        if step == self._idle_steps and self._start is not None:
            self.policy.reset(self._start)

    def executed(self, action: NDArray[np.float64]) -> None:
        """Tell the policy what was executed on the last observation; not while it waits."""
        if self._step > self._idle_steps:
            self.policy.executed(action)

    def _hold(self, observation: Observation) -> Decision:
        space, count = self.policy.action_space, len(self.policy.signals)
        width = self.policy.embedding_size
        return Decision(
            action=space.hold(joint_position=observation["state"][POSITION][:7], gripper=1.0),
            signals=np.full(count, np.nan),
            validity=np.full(count, Validity.WARMING_UP, np.uint8),
            embedding=np.full(width, np.nan, np.float32) if width else None,
        )
