"""A node of the tests: remembers what it hears, publishes what a test wants, calls services."""

from typing import Any

from rclpy.node import Node

from salus_ros import topics


class Probe(Node):
    def __init__(self, **options: Any) -> None:
        super().__init__("probe", **options)
        self.heard: dict[str, list[Any]] = {}
        self._publishers_by_topic: dict[str, Any] = {}

    def listen(self, kind: Any, topic: str, qos: Any = topics.STEP_QOS) -> list[Any]:
        heard = self.heard.setdefault(topic, [])
        self.create_subscription(kind, topic, heard.append, qos)
        return heard

    def advertise(self, kind: Any, topic: str, qos: Any = topics.STEP_QOS) -> Any:
        publisher = self.create_publisher(kind, topic, qos)
        self._publishers_by_topic[topic] = publisher
        return publisher


def call(graph: Any, client: Any, request: Any) -> Any:
    """The answer of a service."""
    assert graph.spin_until(client.service_is_ready)
    future = client.call_async(request)
    assert graph.spin_until(future.done)
    return future.result()
