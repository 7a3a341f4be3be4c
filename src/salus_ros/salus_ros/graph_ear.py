"""Hears every topic of a graph as bytes, as they come from the wire; cameras by the contract."""

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from salus_msgs.msg import Contract

from salus_ros import convert, topics
from salus_ros.bag_topics import RECORDED, RecordedTopic, camera_topics

Hear = Callable[[RecordedTopic, bytes], None]


class GraphEar:
    """Subscribes to what a bag records.

    Attributes:
        topics: heard so far, with their full names; grows when the contract names cameras.
        clock: the last /clock [ns]; None where none has come.
    """

    def __init__(
        self,
        node: Node,
        hear: Hear,
        on_topic: Callable[[RecordedTopic], None] = lambda _: None,
    ) -> None:
        """Begin to listen.

        Args:
            node: that subscribes.
            hear: gets the topic, its name in full, and the bytes of each message.
            on_topic: hears of a topic when it is subscribed to.
        """
        self._node, self._hear, self._on_topic = node, hear, on_topic
        self._cameras_known = False
        self.topics: list[RecordedTopic] = []
        self.clock: int | None = None
        for topic in RECORDED:
            self._subscribe(topic)

    def name(self, relative: str) -> str:
        """The full name of a topic."""
        full: str = self._node.resolve_topic_name(relative)
        return full

    def _subscribe(self, topic: RecordedTopic) -> None:
        found = topic._replace(name=self.name(topic.name))
        self.topics.append(found)
        self._on_topic(found)
        special: dict[str, Callable[[bytes], None]] = {
            topics.CLOCK: self._on_clock,
            topics.CONTRACT: self._on_contract,
        }
        look = special.get(topic.name)

        def heard(data: Any) -> None:
            if look is not None:
                look(data)
            self._hear(found, data)

        self._node.create_subscription(topic.message, found.name, heard, topic.qos, raw=True)

    def _on_clock(self, data: bytes) -> None:
        self.clock = convert.to_nanoseconds(deserialize_message(data, Clock).clock)

    def _on_contract(self, data: bytes) -> None:
        if self._cameras_known:
            return
        self._cameras_known = True
        for camera in deserialize_message(data, Contract).cameras:
            for topic in camera_topics(camera):
                self._subscribe(topic)
