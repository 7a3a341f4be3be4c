"""Whether every node of a collection is there and hears the others, before the first episode.

Nodes that are processes find each other in any order, in a second or more on a busy machine, and
what is published before two have met is lost to both: lockstep would stand still for ever. What
this node sees is not what the others see, so it reads in their diagnostics whom they have met.
"""

import time
from typing import Final

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from salus_ros import topics
from salus_ros.meeting import Meetings

WIRES: Final = {
    topics.JOINT_STATES: ("sim_node", ("policy_node", "supervisor_node", "recorder_node")),
    topics.EE_POSE: ("sim_node", ("policy_node", "supervisor_node", "recorder_node")),
    topics.PERCEIVED: ("sim_node", ("policy_node", "supervisor_node", "recorder_node")),
    topics.EPISODE: ("sim_node", ("policy_node", "supervisor_node", "recorder_node")),
    topics.ACTION_PROPOSED: ("policy_node", ("supervisor_node", "recorder_node")),
    topics.ACTION: ("supervisor_node", ("sim_node", "policy_node", "recorder_node")),
}
"""Topic -> who publishes it and who must hear it. Only the numbers count: names may be others."""

SETTLE: Final = 1.0
"""Seconds of wall time from seeing them all to the start, for those that report nothing."""

REPORT_WITHIN: Final = 10.0
"""Seconds of wall time for a node's first report; a camera's driver may have diagnostics of its own
kind, and must not keep a collection from starting."""


class Wiring:
    """Watches the graph from one node; `whole` is asked now and then."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._since: float | None = None
        self._meetings = Meetings()
        node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, 100)

    def gap(self) -> str:
        """The first thing that is missing, in words; empty where nothing is."""
        return self._absent() or self._meetings.gap(self._reporting())

    def whole(self) -> bool:
        """Whether nobody has been absent for SETTLE seconds, and all have met each other."""
        if self._absent():
            self._since = None
            return False
        now = time.monotonic()
        self._since = self._since or now
        return now - self._since >= SETTLE and not self.gap()

    def _absent(self) -> str:
        """Who is missing as far as this node sees."""
        for topic, (publisher, listeners) in WIRES.items():
            if not self._node.count_publishers(topic):
                return f"nobody publishes {topic}; does {publisher} run?"
            heard = self._node.count_subscribers(topic)
            if heard < len(listeners):
                return (
                    f"{heard} nodes hear {topic}, {len(listeners)} should: {', '.join(listeners)}"
                )
        return ""

    def _reporting(self) -> list[str]:
        """Full names of the nodes of this namespace that report, or may still do so."""
        namespace = self._node.get_namespace()
        found = self._node.get_publishers_info_by_topic(topics.DIAGNOSTICS)
        names = (
            f"{namespace}/{info.node_name}" for info in found if info.node_namespace == namespace
        )
        full = [name.lstrip("/") for name in names]
        if self._since is None or time.monotonic() - self._since < REPORT_WITHIN:
            return full
        return [name for name in full if self._meetings.heard(name)]

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self._meetings.hear(status.name, {pair.key: pair.value for pair in status.values})
