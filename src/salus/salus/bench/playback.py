"""A robot that plays back recorded episodes to real nodes, for benchmarks across processes.

It publishes what a simulation publishes, in lockstep: the next observation once the action of the
one before has come. What is sent does not change what is seen, so that every run hears the same.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from rclpy.node import Node
from salus_msgs.msg import (
    Contract,
    EpisodeEvent,
    FailureForecast,
    PerceivedObjects,
    PolicyAction,
    PolicyUncertainty,
    SupervisorState,
)
from sensor_msgs.msg import Image, JointState

from salus_collector.plan import plan_episode
from salus_collector.policy.base import Policy
from salus_collector.policy.contract import policy_contract
from salus_collector.rollout import RolloutStep, rollout
from salus_collector.sim.disturbance_config import NO_DISTURBANCES
from salus_collector.sim.environment import PandaPickPlace
from salus_data.contract import Contract as ContractCore
from salus_ros import convert, topics
from salus_ros.contract_message import contract_to_message

Array = NDArray[np.float64]

SECOND: Final = 1_000_000_000
GAP: Final = 60 * SECOND
"""Simulated time from the start of one episode to that of the next [ns]."""


@dataclass(frozen=True)
class Played:
    """A recorded episode: per step the state (34,), what is perceived (30,), and the decision.

    `images` has what each camera shows of a step, where the policy reads any.
    """

    states: list[Array]
    perceived: list[Array]
    actions: list[Array]
    signals: list[Array]
    validity: list[NDArray[np.uint8]]
    contract: ContractCore
    seed: int
    idle_steps: int
    images: list[dict[str, NDArray[np.uint8]]] = field(default_factory=list, repr=False)

    def __len__(self) -> int:
        return len(self.states)


def record(policy: Policy, *, seed: int = 11, image_size: int = 256) -> Played:
    """One undisturbed episode of the policy."""
    environment = PandaPickPlace(image_size=image_size if policy.needs_images else 0)
    steps: list[RolloutStep] = []
    images: list[dict[str, NDArray[np.uint8]]] = []

    def keep(step: RolloutStep) -> None:
        steps.append(step)
        shown = {k: v for k, v in step.observation.items() if k.startswith("image_")}
        # The renderer draws the next images into the same memory.
        images.append({k.removeprefix("image_"): v.copy() for k, v in shown.items()})

    plan = plan_episode(seed, 0, NO_DISTURBANCES)
    try:
        found = rollout(environment, policy, plan, on_step=keep)
    finally:
        environment.close()
    contract = policy_contract(
        policy,
        step_period=environment.step_period,
        task=environment.task_description,
        cameras=tuple(images[0]) if policy.needs_images else (),
    )
    return Played(
        [step.observation["state"] for step in steps],
        [step.observation["perceived"] for step in steps],
        [step.action for step in steps],
        [step.decision.signals for step in steps],
        [step.decision.validity for step in steps],
        contract,
        plan.seed,
        found.idle_steps,
        images if policy.needs_images else [],
    )


@dataclass
class Heard:
    """What came back of one episode, by step; the first message of a step counts."""

    actions: dict[int, PolicyAction] = field(default_factory=dict)
    proposals: dict[int, PolicyAction] = field(default_factory=dict)
    forecasts: dict[int, FailureForecast] = field(default_factory=dict)
    all_proposals: dict[int, list[PolicyAction]] = field(default_factory=dict)
    all_forecasts: dict[int, list[FailureForecast]] = field(default_factory=dict)
    states: list[SupervisorState] = field(default_factory=list)
    at: dict[tuple[str, int], float] = field(default_factory=dict)
    """Wall time [s] by topic and step, of what was heard and of what was published."""


class PlaybackRobot(Node):
    """Publishes recorded observations and hears what the graph does with them.

    Args:
        played: the episode.
        proposes: it is the policy, too, and latches the contract.
    """

    def __init__(self, played: Played, *, proposes: bool, **options: Any) -> None:
        super().__init__("playback_robot", **options)
        self.played, self._proposes = played, proposes
        self.heard: dict[str, Heard] = {}
        self.episode, self._first_stamp, self._number = "", 0, 0
        step = topics.STEP_QOS
        make = self.create_publisher
        self.joints = make(JointState, topics.JOINT_STATES, step)
        self.poses = make(PoseStamped, topics.EE_POSE, step)
        self.perceived = make(PerceivedObjects, topics.PERCEIVED, step)
        self.episodes = make(EpisodeEvent, topics.EPISODE, topics.EVENT_QOS)
        # Whoever proposes here has seen them when the episode was recorded.
        cameras = () if proposes else played.contract.cameras
        self.images = {camera: make(Image, topics.image_topic(camera), step) for camera in cameras}
        hear = self.create_subscription
        hear(PolicyAction, topics.ACTION, self._keep("actions"), step)
        hear(FailureForecast, topics.FORECAST, self._keep("forecasts"), step)
        hear(SupervisorState, topics.SUPERVISOR, self._on_state, topics.LATCHED_QOS)
        if proposes:
            self.proposals = make(PolicyAction, topics.ACTION_PROPOSED, step)
            self.uncertainties = make(PolicyUncertainty, topics.UNCERTAINTY, step)
            self.contracts = make(Contract, topics.CONTRACT, topics.LATCHED_QOS)
            self.contracts.publish(contract_to_message(played.contract, len(played.signals[0])))
        else:
            hear(PolicyAction, topics.ACTION_PROPOSED, self._keep("proposals"), step)

    # --- what is published -----------------------------------------------------------------------

    def begin(self) -> str:
        """Begin the next episode; its name."""
        self._number += 1
        self.episode = f"{os.getpid()}-{self._number:06d}"
        self._first_stamp = GAP * self._number
        self.heard[self.episode] = Heard()
        played = self.played
        self.episodes.publish(
            EpisodeEvent(
                header=convert.header(self._first_stamp),
                kind=EpisodeEvent.KIND_STARTED,
                episode_id=self.episode,
                index=self._number,
                seed=played.seed,
                task=played.contract.task,
                disturbance="{}",
                idle_steps=played.idle_steps,
                step_period=played.contract.step_period,
            )
        )
        return self.episode

    def end(self) -> None:
        """End the running episode."""
        self.episodes.publish(
            EpisodeEvent(
                header=convert.header(self.stamp(len(self.played) - 1)),
                kind=EpisodeEvent.KIND_ENDED,
                episode_id=self.episode,
                index=self._number,
                outcome=EpisodeEvent.OUTCOME_TRUNCATED,
                reason="played back",
                step_period=self.played.contract.step_period,
                steps=len(self.played),
            )
        )

    def stamp(self, step: int) -> int:
        """Simulated time of an observation of the running episode [ns]."""
        return self._first_stamp + round(step * SECOND * self.played.contract.step_period)

    def observation(self, step: int, stamp: int | None = None) -> list[tuple[Any, Any]]:
        """Publishers and messages of one observation."""
        stamp = self.stamp(step) if stamp is None else stamp
        state = self.played.states[step]
        shown = self.played.images[step] if self.images else {}
        return [
            *(
                (
                    self.images[camera],
                    convert.image_message(image, stamp, topics.optical_frame(camera)),
                )
                for camera, image in shown.items()
            ),
            (self.joints, convert.joint_state_message(state, stamp)),
            (self.poses, convert.ee_pose_message(state, stamp)),
            (
                self.perceived,
                convert.perceived_message(self.played.perceived[step], stamp, self.episode, step),
            ),
        ]

    def observe(self, step: int) -> None:
        """Publish one observation."""
        for publisher, message in self.observation(step):
            publisher.publish(message)

    def propose(self, step: int) -> None:
        """Publish the policy's part of a step; the times of both messages are kept."""
        played, heard = self.played, self.heard[self.episode]
        place = {
            "header": convert.header(self.stamp(step), topics.BASE_FRAME),
            "episode_id": self.episode,
            "step": step,
        }
        uncertainty = None
        if len(played.signals[step]):
            uncertainty = PolicyUncertainty(
                **place,
                values=played.signals[step].tolist(),
                validity=played.validity[step].tolist(),
            )
        proposal = PolicyAction(
            **place,
            action_space=played.contract.action_space.name,
            values=played.actions[step].tolist(),
        )
        heard.at["uncertainty", step] = time.perf_counter()
        if uncertainty is not None:
            self.uncertainties.publish(uncertainty)
        heard.at["proposed", step] = time.perf_counter()
        self.proposals.publish(proposal)

    # --- what is heard ---------------------------------------------------------------------------

    def _keep(self, kind: str) -> Callable[[Any], None]:
        def keep(message: Any) -> None:
            heard = self.heard.get(message.episode_id)
            if heard is None:
                return
            step = int(message.step)
            every = getattr(heard, f"all_{kind}", None)
            if every is not None:
                every.setdefault(step, []).append(message)
            if step not in getattr(heard, kind):
                getattr(heard, kind)[step] = message
                heard.at[kind, step] = time.perf_counter()

        return keep

    def _on_state(self, message: SupervisorState) -> None:
        if (heard := self.heard.get(message.episode_id)) is not None:
            heard.states.append(message)
