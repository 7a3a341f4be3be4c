"""Sits between action_proposed and action; the only node that publishes `action`."""

from typing import Any

import numpy as np
from rclpy.node import Node
from salus_msgs.msg import EpisodeEvent, PolicyAction, SupervisorState

from salus_data.errors import SalusError
from salus_predictor.supervisor.pass_through import PassThrough
from salus_ros import topics
from salus_ros.diagnostics import Diagnostics
from salus_ros.node import run_node


class SupervisorNode(Node):
    """Without a model it passes every action through and says so."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("supervisor_node", **node_options)
        self._core = PassThrough()
        self._diagnostics = Diagnostics(self)
        self._actions = self.create_publisher(PolicyAction, topics.ACTION, topics.STEP_QOS)
        self._states = self.create_publisher(SupervisorState, topics.SUPERVISOR, topics.LATCHED_QOS)
        self.create_subscription(
            PolicyAction, topics.ACTION_PROPOSED, self._on_proposed, topics.STEP_QOS
        )
        self.create_subscription(EpisodeEvent, topics.EPISODE, self._on_episode, topics.EVENT_QOS)

    def _on_proposed(self, message: PolicyAction) -> None:
        try:
            gated = self._core.gate(message.action_space, np.asarray(message.values))
        except SalusError as error:
            # Not executed and not replaced: a pass-through has no right to invent an action.
            self._diagnostics.count("rejected_actions")
            self._diagnostics.error(str(error))
            self.get_logger().error(f"{message.episode_id} step {message.step}: {error}")
            return
        message.values = gated.action.tolist()
        message.supervisor_state = int(gated.status)
        self._actions.publish(message)
        self._diagnostics.step()

    def _on_episode(self, event: EpisodeEvent) -> None:
        if event.kind == EpisodeEvent.KIND_STARTED:
            self._states.publish(
                SupervisorState(
                    header=event.header,
                    episode_id=event.episode_id,
                    state=SupervisorState.STATE_NORMAL,
                    mode=SupervisorState.MODE_PASS_THROUGH,
                    would_be_state=SupervisorState.STATE_NORMAL,
                    reason="no model is loaded: every action passes through",
                )
            )


def main() -> None:
    """Run supervisor_node as a process."""
    run_node(SupervisorNode)
