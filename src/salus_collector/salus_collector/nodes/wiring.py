"""Whether every node of a collection is there and hears the others, before the first episode.

Nodes that are processes find each other in any order, in a second or more on a busy machine, and
what is published before two have met is lost to both: lockstep would stand still for ever.
"""

import time
from typing import Final

from rclpy.node import Node

from salus_ros import topics

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
"""Seconds of wall time from seeing them all to the start: the others may see each other later."""


class Wiring:
    """Watches the graph from one node; `whole` is asked now and then."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._since: float | None = None

    def gap(self) -> str:
        """The first thing that is missing, in words; empty where nothing is."""
        for topic, (publisher, listeners) in WIRES.items():
            if not self._node.count_publishers(topic):
                return f"nobody publishes {topic}; does {publisher} run?"
            heard = self._node.count_subscribers(topic)
            if heard < len(listeners):
                return (
                    f"{heard} nodes hear {topic}, {len(listeners)} should: {', '.join(listeners)}"
                )
        return ""

    def whole(self) -> bool:
        """Whether nothing has been missing for SETTLE seconds."""
        if self.gap():
            self._since = None
            return False
        now = time.monotonic()
        self._since = self._since or now
        return now - self._since >= SETTLE
