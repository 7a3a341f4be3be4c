"""A process that passes actions on and does nothing else: what a gate is measured against."""

from typing import Any

from rclpy.node import Node
from salus_msgs.msg import PolicyAction

from salus_ros import topics
from salus_ros.node import run_node


class Relay(Node):
    """Publishes every proposed action as it is."""

    def __init__(self, **options: Any) -> None:
        super().__init__("relay", **options)
        self._actions = self.create_publisher(PolicyAction, topics.ACTION, topics.STEP_QOS)
        self.create_subscription(
            PolicyAction, topics.ACTION_PROPOSED, self._actions.publish, topics.STEP_QOS
        )


def main() -> None:
    """Run it as a process."""
    run_node(Relay)


if __name__ == "__main__":
    main()
