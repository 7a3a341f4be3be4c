"""Runs a policy: observations in, proposed actions, chunks and uncertainty out."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Path as PathMessage
from numpy.typing import NDArray
from rclpy.node import Node
from salus_msgs.msg import (
    ActionChunk,
    Contract,
    EpisodeEvent,
    PerceivedObjects,
    PolicyAction,
    PolicyEmbedding,
    PolicyUncertainty,
)
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from salus_collector.nodes.observation_join import JoinedObservation, ObservationJoin
from salus_collector.perception.seeing import with_localiser, with_second_look
from salus_collector.policy.base import Decision, EpisodeStart, Policy
from salus_collector.policy.chunk_path import chunk_positions
from salus_collector.policy.contract import policy_contract
from salus_collector.policy.registry import make_policy
from salus_collector.policy.runner import PolicyRunner
from salus_collector.policy.settings import PolicySettings
from salus_data.errors import PolicyError
from salus_data.layout import EE_POSITION
from salus_ros import convert, topics
from salus_ros.contract_message import contract_to_message
from salus_ros.diagnostics import Diagnostics
from salus_ros.images import subscribe_to_images
from salus_ros.node import run_node
from salus_ros.parameters import declare, parameter


@dataclass(frozen=True)
class PolicyParameters:
    """Parameters of policy_node."""

    policy: str = parameter(
        "expert",
        "`expert`, `smolvla`, `smolvla-pose`, folders with commas between, a hub id",
    )
    device: str = parameter("cpu", "where a learnt policy runs: `cpu`, `cuda`, `cuda:1`")
    dtype: str = parameter("float32", "of its large layers", choices=("float32", "bfloat16"))
    noises: int = parameter(
        4, "samples of each member; 2 or more measure the policy's own spread", low=1, high=64
    )
    signals_every: int = parameter(
        4, "steps between two samplings for the uncertainty signals", unit="steps", low=1, high=64
    )
    threads: int = parameter(
        1, "CPU threads of torch; more than 1 slow small models down", low=1, high=256
    )
    adapter: str = parameter("", "salus_adapter.json for checkpoints that bring none")
    embedding: bool = parameter(False, "publish the hidden state, so that it is recorded")
    task: str = parameter(
        "pick up the red cube and place it in the blue bin", "what the policy is asked to do"
    )
    rate: float = parameter(30.0, "control steps a second", unit="Hz", low=1.0, high=1000.0)
    horizons: list[int] = parameter([5, 10, 15, 20], "horizons of the labels", unit="steps")
    cameras: list[str] = parameter(
        ["front", "wrist"], "cameras that are recorded; one empty name: none"
    )
    localiser: str = parameter(
        "", "adds signals of what the cameras show: `shipped`, a file of weights; empty: none"
    )
    second_look: str = parameter(
        "",
        "localiser by which the policy acts once another action than its own was executed: "
        "`shipped`, a file of weights; empty: it goes on acting on what it is told",
    )
    config_digest: str = parameter("", "digest of the settings of the whole graph")


class PolicyNode(Node):
    """Answers each observation with one proposed action; latches the contract."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("policy_node", **node_options)
        self._settings = declare(self, PolicyParameters)
        self._cameras = [name for name in self._settings.cameras if name]
        policy = make_policy(self._settings.policy, self._policy_settings())
        self._check_cameras(policy)
        policy = with_second_look(policy, self._settings.second_look)
        policy = with_localiser(policy, self._settings.localiser)
        self._runner = PolicyRunner(policy)
        self._join = ObservationJoin(self._cameras_needed())
        self._waiting: JoinedObservation | None = None  # observed before its episode was announced
        self._episode_id = ""
        self._diagnostics = Diagnostics(self, lambda: self._settings.rate)
        self._diagnostics.tell("model_id", f"{policy.name} {policy.digest}".strip())
        self._advertise()
        self._subscribe()
        self._contract_publisher.publish(self._contract())

    def _policy_settings(self) -> PolicySettings:
        own = self._settings
        return PolicySettings(
            device=own.device,
            dtype=own.dtype,
            noises=own.noises,
            signals_every=own.signals_every,
            threads=own.threads,
            adapter=Path(own.adapter) if own.adapter else None,
            embedding=own.embedding,
        )

    def _check_cameras(self, policy: Policy) -> None:
        missing = set(getattr(policy, "cameras", ())) - set(self._cameras)
        if missing:
            raise PolicyError(
                f"policy {policy.name} reads the cameras {sorted(missing)}, which are not among "
                f"the parameter `cameras` {self._cameras}; with --image-size 0 there are none"
            )

    def _cameras_needed(self) -> list[str]:
        return self._cameras if self._runner.policy.needs_images else []

    def _advertise(self) -> None:
        step = topics.STEP_QOS
        self._contract_publisher = self.create_publisher(
            Contract, topics.CONTRACT, topics.LATCHED_QOS
        )
        self._actions = self.create_publisher(PolicyAction, topics.ACTION_PROPOSED, step)
        self._chunks = self.create_publisher(ActionChunk, topics.CHUNK, step)
        self._paths = self.create_publisher(PathMessage, topics.CHUNK_PATH, step)
        self._uncertainties = self.create_publisher(PolicyUncertainty, topics.UNCERTAINTY, step)
        self._embeddings = self.create_publisher(PolicyEmbedding, topics.EMBEDDING, step)

    def _subscribe(self) -> None:
        step = topics.STEP_QOS
        self.create_service(Trigger, "replan", self._on_replan)
        self.create_subscription(EpisodeEvent, topics.EPISODE, self._on_episode, topics.EVENT_QOS)
        self.create_subscription(JointState, topics.JOINT_STATES, self._on_joints, step)
        self.create_subscription(PoseStamped, topics.EE_POSE, self._on_ee, step)
        self.create_subscription(PerceivedObjects, topics.PERCEIVED, self._on_perceived, step)
        self.create_subscription(PolicyAction, topics.ACTION, self._on_action, step)
        for camera in self._cameras_needed():
            subscribe_to_images(self, topics.image_topic(camera), self._image_callback(camera))

    def _contract(self) -> Contract:
        policy = self._runner.policy
        contract = policy_contract(
            policy,
            step_period=1.0 / self._settings.rate,
            task=self._settings.task,
            cameras=self._cameras,
            horizons=self._settings.horizons,
            config_digest=self._settings.config_digest,
        )
        return contract_to_message(
            contract, policy_signals=len(policy.signals), embedding_size=policy.embedding_size
        )

    def _on_episode(self, event: EpisodeEvent) -> None:
        if event.kind != EpisodeEvent.KIND_STARTED:
            return
        start = EpisodeStart(int(event.seed), event.task, event.step_period)
        self._runner.begin(start, int(event.idle_steps))
        self._episode_id = event.episode_id
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._observe(waiting)

    def _on_joints(self, message: JointState) -> None:
        self._add("joints", message, convert.joints_from(message))

    def _on_ee(self, message: PoseStamped) -> None:
        self._add("ee", message, convert.ee_from(message))

    def _on_perceived(self, message: PerceivedObjects) -> None:
        stamp = convert.to_nanoseconds(message.header.stamp)
        self._join.name(stamp, message.episode_id, int(message.step))
        self._add("perceived", message, convert.perceived_from(message))

    def _image_callback(self, camera: str) -> Any:
        return lambda message: self._add(f"image_{camera}", message, convert.image_from(message))

    def _add(self, part: str, message: Any, value: Any) -> None:
        stamp = convert.to_nanoseconds(message.header.stamp)
        observation = self._join.add(part, stamp, value)
        if observation is not None:
            self._observe(observation)

    def _observe(self, observation: JoinedObservation) -> None:
        if observation.episode_id != self._episode_id:
            self._waiting = observation  # topics keep no order between them
            return
        if observation.step != self._runner.step:
            self._diagnostics.count("observations_out_of_order")
            self._diagnostics.dropped()
            self._diagnostics.error(
                f"observation {observation.step} came, {self._runner.step} was expected"
            )
            return
        if not np.isfinite(observation.arrays["state"]).all():
            # A policy would answer with numbers made of nothing; who hears none holds the arm.
            self._runner.skip()
            self._diagnostics.dropped()
            self._diagnostics.error(f"observation {observation.step} is not finite")
            return
        began = time.monotonic()
        self._publish(observation, self._runner.decide(observation.arrays))
        self._diagnostics.step()
        self._diagnostics.latency(time.monotonic() - began)

    def _publish(self, observation: JoinedObservation, decision: Decision) -> None:
        space = self._runner.policy.action_space
        common = {
            "header": convert.header(observation.stamp, topics.BASE_FRAME),
            "episode_id": observation.episode_id,
            "step": observation.step,
        }
        if self._runner.policy.signals:
            self._uncertainties.publish(
                PolicyUncertainty(
                    **common,
                    values=decision.signals.tolist(),
                    validity=decision.validity.tolist(),
                )
            )
        if decision.embedding is not None:
            self._embeddings.publish(PolicyEmbedding(**common, values=decision.embedding.tolist()))
        if decision.chunk is not None:
            length, size = decision.chunk.shape
            self._chunks.publish(
                ActionChunk(
                    **common,
                    action_space=space.name,
                    step_period=1.0 / self._settings.rate,
                    length=length,
                    size=size,
                    values=decision.chunk.ravel().tolist(),
                )
            )
            self._publish_path(observation, decision.chunk)
        self._actions.publish(
            PolicyAction(
                **common,
                action_space=space.name,
                values=decision.action.tolist(),
                chunk_phase=decision.chunk_phase,
            )
        )

    def _publish_path(self, observation: JoinedObservation, chunk: NDArray[np.float64]) -> None:
        if not self._paths.get_subscription_count():
            return  # only viewers need it, and it costs more than all the rest
        space = self._runner.policy.action_space
        points = chunk_positions(space, observation.arrays["state"][EE_POSITION], chunk)
        if points is not None:
            self._paths.publish(convert.path_message(points, observation.stamp))

    def _on_action(self, message: PolicyAction) -> None:
        if message.episode_id == self._episode_id and message.step == self._runner.step - 1:
            self._runner.executed(np.asarray(message.values, np.float64))

    def _on_replan(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        replan = getattr(self._runner.policy, "replan", None)
        response.success = replan is not None
        if replan is None:
            response.message = f"policy {self._runner.policy.name} plans every step anew as it is"
        else:
            replan()
            response.message = "the next action comes from a new chunk"
        return response


def main() -> None:
    """Run policy_node as a process."""
    run_node(PolicyNode)


if __name__ == "__main__":
    main()
