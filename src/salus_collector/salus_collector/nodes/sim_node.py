"""Wraps the simulation: actions in, stamped observations and episode events out."""

import math
import time
from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import PoseStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMessage
from salus_msgs.msg import EpisodeEvent, PerceivedObjects, PolicyAction
from salus_msgs.srv import Reset, Step
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_srvs.srv import SetBool

from salus_collector.nodes.scene_publisher import ScenePublisher
from salus_collector.nodes.transform_publisher import TransformPublisher
from salus_collector.sim.disturbance_config import load_mix
from salus_collector.sim.interface import simulation_of
from salus_collector.sim.registry import make_environment
from salus_collector.sim.session import Frame, Session, StaleActionError
from salus_data.episode import EpisodeRecord
from salus_data.errors import SalusError
from salus_data.types import Outcome, SupervisorStatus
from salus_ros import convert, topics
from salus_ros.camera_message import camera_info_message
from salus_ros.diagnostics import Diagnostics
from salus_ros.episode_message import record_to_message
from salus_ros.node import run_node
from salus_ros.observation_messages import ObservationMessages
from salus_ros.parameters import declare, parameter

LOCKSTEP, REALTIME = "lockstep", "realtime"
PUBLISHER_CHECK_STEPS = 30
"""Steps between two looks at who publishes `action`."""


@dataclass(frozen=True)
class SimParameters:
    """Parameters of sim_node."""

    environment: str = parameter("panda_pick_place", "environment by registered name")
    action_space: str = parameter("delta_ee", "what the numbers of an action mean")
    image_size: int = parameter(256, "side of the images; 0: none", unit="px", low=0, high=2048)
    step_limit: int = parameter(
        400, "steps after which an episode is cut off", low=10, high=100_000
    )
    stall_budget: float = parameter(
        2.0, "time without a milestone until timeout", unit="s", low=0.1, high=600.0
    )
    timeout_rule: str = parameter("stall", "what a timeout is", choices=("stall", "limit"))
    seed: int = parameter(0, "root seed of the collection", low=0, high=2**53)
    disturbances: str = parameter("none", "`none`, one family, or a YAML file with a mix")
    mode: str = parameter(LOCKSTEP, "how time passes", choices=(LOCKSTEP, REALTIME))
    action_age_limit: float = parameter(
        0.1, "realtime: age at which an awaited action is given up", unit="s", low=0.0, high=10.0
    )
    policy: str = parameter("", "name of the policy, for the record of an episode")


class SimNode(Node):
    """Steps the environment once for each action, or at a fixed rate in realtime."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("sim_node", **node_options)
        self._settings = parameters = declare(self, SimParameters)
        environment = make_environment(
            parameters.environment,
            action_space=parameters.action_space,
            image_size=parameters.image_size,
            step_limit=parameters.step_limit,
            stall_budget=parameters.stall_budget,
            timeout_rule=parameters.timeout_rule,
        )
        mix = load_mix(parameters.disturbances)
        self._session = Session(environment, mix, parameters.seed, policy=parameters.policy)
        self._environment = environment
        self._messages = ObservationMessages()
        self._cameras: dict[str, tuple[Any, Any, CameraInfo]] = {}
        self._next_index = 0
        self._paused = False
        self._steps_allowed = 0
        self._held_back: PolicyAction | None = None  # arrived while paused, or before its tick
        self._tick_due = math.inf
        self._diagnostics = Diagnostics(self, lambda: 1.0 / self._session.step_period)
        self._advertise()
        self._scene = ScenePublisher(self, environment)
        self._transforms = TransformPublisher(self, simulation_of(environment).mounts)
        if parameters.mode == REALTIME:
            self.create_timer(
                self._session.step_period, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME)
            )

    def _advertise(self) -> None:
        step = topics.STEP_QOS
        self._clock_publisher = self.create_publisher(ClockMessage, topics.CLOCK, 10)
        self._joints = self.create_publisher(JointState, topics.JOINT_STATES, step)
        self._ee = self.create_publisher(PoseStamped, topics.EE_POSE, step)
        self._perceived = self.create_publisher(PerceivedObjects, topics.PERCEIVED, step)
        self._episodes = self.create_publisher(EpisodeEvent, topics.EPISODE, topics.EVENT_QOS)
        self.create_subscription(PolicyAction, topics.ACTION, self._on_action, step)
        self.create_service(Reset, "reset", self._on_reset)
        self.create_service(SetBool, "pause", self._on_pause)
        self.create_service(Step, "step", self._on_step)

    # --- services --------------------------------------------------------------------------------

    def _on_reset(self, request: Reset.Request, response: Reset.Response) -> Reset.Response:
        if (count := self.count_publishers(topics.ACTION)) > 1:
            response.message = (
                f"{count} nodes publish {topics.ACTION}; only one may command the arm"
            )
            self.get_logger().error(response.message)
            return response
        index = self._next_index if request.index < 0 else int(request.index)
        try:
            self._session.check_index(index)
            if self._session.waiting_for is not None:
                self._announce_end(
                    self._session.cut_off(Outcome.TRUNCATED, "a new episode was asked for")
                )
            frame = self._session.start(index)
        except SalusError as error:
            response.message = str(error)
            self.get_logger().error(response.message)
            return response
        self._next_index, self._held_back = index + 1, None
        plan = self._session.plan
        if plan is not None:
            response.success, response.episode_id, response.seed = True, plan.id, plan.seed
        self._announce_start(frame)
        self._publish(frame)
        return response

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._paused, self._steps_allowed = bool(request.data), 0
        response.success, response.message = True, "paused" if self._paused else "running"
        self._release()
        return response

    def _on_step(self, request: Step.Request, response: Step.Response) -> Step.Response:
        waiting = self._session.waiting_for
        if not self._paused or waiting is None:
            response.message = "pause first" if waiting else "no episode is running; call reset"
            return response
        self._steps_allowed += int(request.steps)
        response.success, response.step = True, waiting[1]
        self._release()
        return response

    # --- the lockstep ----------------------------------------------------------------------------

    def _on_action(self, message: PolicyAction) -> None:
        if self._settings.mode == REALTIME or (self._paused and not self._steps_allowed):
            self._held_back = message
            return
        self._steps_allowed = max(0, self._steps_allowed - 1)
        self._apply(message)

    def _release(self) -> None:
        if self._held_back is None or self._settings.mode == REALTIME:
            return
        message, self._held_back = self._held_back, None
        self._on_action(message)

    def _tick(self) -> None:
        """Realtime: execute the action that has come by now, or wait for it up to its age limit."""
        if self._session.waiting_for is None or (self._paused and not self._steps_allowed):
            return
        if self._held_back is not None:
            message, self._held_back = self._held_back, None
            self._steps_allowed = max(0, self._steps_allowed - 1)
            self._apply(message)
        elif time.monotonic() > self._tick_due:
            episode, step = self._session.waiting_for
            self._discard(
                f"no action for {episode} step {step} within {self._settings.action_age_limit} s"
            )

    def _apply(self, message: PolicyAction) -> None:
        if self._stolen():
            return
        began = time.monotonic()
        try:
            frame = self._session.apply(
                message.episode_id,
                int(message.step),
                message.values,
                space=message.action_space,
                status=SupervisorStatus(message.supervisor_state),
            )
        except StaleActionError as error:
            self._diagnostics.count("stale_actions")
            self._diagnostics.dropped()
            self.get_logger().warning(str(error), throttle_duration_sec=1.0)
            return
        except (SalusError, ValueError) as error:
            self._diagnostics.count("rejected_actions")
            self._diagnostics.dropped()
            self._discard(str(error))
            return
        if frame is None:
            if self._session.record is not None:
                self._announce_end(self._session.record)
            return
        if frame.onset is not None:
            self._announce_onset(frame)
        self._publish(frame)
        self._diagnostics.latency(time.monotonic() - began)

    def _stolen(self) -> bool:
        """Whether somebody else publishes actions too; looked at now and then, as it takes time."""
        waiting = self._session.waiting_for
        if waiting is None or waiting[1] % PUBLISHER_CHECK_STEPS:
            return False
        count: int = self.count_publishers(topics.ACTION)
        if count > 1:
            self._discard(f"{count} nodes publish {topics.ACTION}; only one may command the arm")
        return count > 1

    def _discard(self, reason: str) -> None:
        self._diagnostics.error(reason)
        self.get_logger().error(f"episode discarded: {reason}")
        self._announce_end(self._session.cut_off(Outcome.DISCARDED, reason))

    # --- what is published -----------------------------------------------------------------------

    def _publish(self, frame: Frame) -> None:
        plan, observation = self._session.plan, frame.observation
        if plan is None:
            return
        messages = self._messages
        if self._clock_publisher.get_subscription_count():
            self._clock_publisher.publish(messages.clock(frame.stamp))
        self._joints.publish(messages.joint_state(observation["state"], frame.stamp))
        self._ee.publish(messages.ee_pose(observation["state"], frame.stamp))
        for name, image in observation.items():
            if name.startswith("image_"):
                self._publish_image(name.removeprefix("image_"), image, frame.stamp)
        self._perceived.publish(
            messages.perceived(observation["perceived"], frame.stamp, plan.id, frame.step)
        )
        self._scene.publish(frame.stamp, frame.step)
        self._transforms.publish(observation["state"], frame.stamp)
        self._diagnostics.step()
        self._tick_due = (
            time.monotonic() + self._session.step_period + self._settings.action_age_limit
        )

    def _publish_image(self, camera: str, image: Any, stamp: int) -> None:
        if camera not in self._cameras:
            step = topics.STEP_QOS
            core = simulation_of(self._environment)
            self._cameras[camera] = (
                self.create_publisher(Image, topics.image_topic(camera), step),
                self.create_publisher(CameraInfo, topics.camera_info_topic(camera), step),
                camera_info_message(
                    image.shape[0], core.camera_fovy(camera), stamp, topics.optical_frame(camera)
                ),
            )
        images, infos, info = self._cameras[camera]
        images.publish(self._messages.image(image, stamp, topics.optical_frame(camera)))
        # The calibration stays what it is; no node of the graph needs it, viewers do.
        if infos.get_subscription_count():
            info.header.stamp = convert.to_stamp(stamp)
            infos.publish(info)

    def _announce_start(self, frame: Frame) -> None:
        plan = self._session.plan
        if plan is None:
            return
        record = EpisodeRecord(
            id=plan.id,
            index=plan.index,
            seed=plan.seed,
            task=self._session.task,
            disturbance=plan.disturbance,
            abrupt=plan.abrupt,
            idle_steps=self._session.idle_steps,
        )
        self._announce(record, EpisodeEvent.KIND_STARTED, frame.stamp)

    def _announce_onset(self, frame: Frame) -> None:
        plan, onset = self._session.plan, frame.onset
        if plan is None or onset is None:
            return
        record = EpisodeRecord(
            id=plan.id,
            index=plan.index,
            seed=plan.seed,
            outcome=onset.outcome,
            failure_type=onset.failure_type,
            onset_step=onset.onset_step,
            onset_time=onset.onset_time,
            bodies=onset.bodies,
            force=onset.force,
            milestones=self._session.milestones,
        )
        self._announce(record, EpisodeEvent.KIND_ONSET, frame.stamp)

    def _announce_end(self, record: EpisodeRecord) -> None:
        self._announce(record, EpisodeEvent.KIND_ENDED, self._session.stamp)

    def _announce(self, record: EpisodeRecord, kind: int, stamp: int) -> None:
        message = record_to_message(record, kind)
        message.header = convert.header(stamp)
        message.step_period = self._session.step_period
        message.steps = self._session.rows
        message.reason = self._session.reason
        self._episodes.publish(message)

    def close(self) -> None:
        """Free the renderer."""
        self._environment.close()


def main() -> None:
    """Run sim_node as a process."""
    run_node(SimNode)


if __name__ == "__main__":
    main()
