"""One episode with a policy in the loop, without ROS; nodes do the same over topics."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus_collector.plan import EpisodePlan
from salus_collector.policy.base import Decision, EpisodeStart, Observation, Policy
from salus_collector.policy.runner import PolicyRunner
from salus_collector.sim.families.registry import build_disturbance
from salus_collector.sim.interface import Environment, simulation_of
from salus_data.episode import EpisodeRecord
from salus_data.types import NO_FAILURE, Outcome

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RolloutStep:
    """One step as it was executed.

    Attributes:
        index: row of the episode, from 0.
        observation: what was observed before the action.
        action: (D,) that was executed.
        decision: of the policy, or the hold while it waits.
        info: what the environment said about the step.
    """

    index: int
    observation: Observation
    action: Array
    decision: Decision
    info: dict[str, Any]


def rollout(
    environment: Environment,
    policy: Policy,
    plan: EpisodePlan,
    *,
    on_step: Callable[[RolloutStep], None] | None = None,
) -> EpisodeRecord:
    """Run the planned episode until its event.

    The arm holds still for `info["idle_steps"]` rows before the policy is asked (PolicyRunner).

    Args:
        environment: of the kind that `salus_collector.sim.registry` makes.
        policy: must act in the environment's action space.
        plan: seed and disturbance.
        on_step: called after each step, the idle ones included.

    Returns:
        The record of the episode; its outcome is DISCARDED where the simulation became unstable.
    """
    core = simulation_of(environment)
    observation, info = environment.reset(
        seed=plan.seed, options={"disturbance": build_disturbance(plan.disturbance)}
    )
    idle_steps = int(info["idle_steps"])
    runner = PolicyRunner(policy)
    runner.begin(EpisodeStart(plan.seed, core.task_description, core.step_period), idle_steps)
    ended, index = False, 0
    while not ended:
        before, decision = observation, runner.decide(observation)
        action = policy.action_space.check(decision.action, step=index)
        observation, _, terminated, truncated, info = environment.step(action)
        runner.executed(action)
        if on_step is not None:
            on_step(RolloutStep(index, before, action, decision, info))
        ended, index = terminated or truncated, index + 1
    return episode_record(plan, policy.name, core.task_description, idle_steps, info)


def episode_record(
    plan: EpisodePlan, policy: str, task: str, idle_steps: int, info: dict[str, Any]
) -> EpisodeRecord:
    """The record of an ended episode, from the plan and what the last step's `info` says.

    An episode may end before its idle time does, by a push or by the supervisor; no more of it is
    recorded than it has rows.
    """
    event = info["event"]
    failed = event.outcome == Outcome.FAILURE
    return EpisodeRecord(
        id=plan.id,
        index=plan.index,
        seed=plan.seed,
        task=task,
        disturbance=plan.disturbance,
        abrupt=plan.abrupt,
        policy=policy,
        outcome=event.outcome,
        failure_type=int(event.failure_type) if failed else NO_FAILURE,
        onset_step=event.onset_step,
        confirm_step=event.confirm_step,
        onset_time=event.onset_time,
        timeout_kind=event.timeout_kind,
        bodies=tuple(event.bodies),
        force=event.force,
        idle_steps=min(idle_steps, int(info["step"]) + 1),
        milestones=tuple(info["milestones"]),
    )
