"""Records the graph into a rosbag2 bag, message by message as the bytes come from the wire."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from salus_msgs.msg import EpisodeEvent

from salus_data.bags.definitions import typestore_with
from salus_data.bags.writer import BagWriteError, BagWriter
from salus_data.create import versions
from salus_data.types import Outcome
from salus_ros import convert
from salus_ros.bag_topics import RecordedTopic, offered
from salus_ros.diagnostics import Diagnostics
from salus_ros.graph_ear import GraphEar
from salus_ros.node import run_node
from salus_ros.parameters import declare, parameter

WAITING_LIMIT = 1000
"""Messages kept until the first episode starts: the contract and what was latched."""


@dataclass(frozen=True)
class BagParameters:
    """Parameters of bag_node."""

    bag: str = parameter("episodes_bag", "folder of the bag; must not exist yet")
    provenance: str = parameter("", "how the episodes are made, kept in the bag as it is")


class BagNode(Node):
    """Writes one bag; it exists from the first episode on.

    The log time of a message is the last /clock that was heard, as with `ros2 bag record
    --use-sim-time`, so that a bag plays at the speed of the robot and not of the collection.
    """

    def __init__(self, **node_options: Any) -> None:
        super().__init__("bag_node", **node_options)
        self._settings = declare(self, BagParameters)
        self._types = typestore_with(Path(get_package_share_directory("salus_msgs"), "msg"))
        self._writer: BagWriter | None = None
        self._waiting: list[tuple[str, bytes]] = []
        self._begin = 0  # stamp of the first episode's start [ns]
        self._diagnostics = Diagnostics(self)
        self._ear = GraphEar(self, self._hear, self._on_topic)

    def _on_topic(self, topic: RecordedTopic) -> None:
        if self._writer is not None:
            self._writer.add_topic(topic.name, topic.type_name, [offered(topic.qos)])

    def _hear(self, topic: RecordedTopic, data: bytes) -> None:
        if topic.message is EpisodeEvent:
            self._on_episode(topic, data)
        else:
            self._record(topic.name, data)

    def _on_episode(self, topic: RecordedTopic, data: bytes) -> None:
        event = deserialize_message(data, EpisodeEvent)
        if self._writer is None:
            self._open(convert.to_nanoseconds(event.header.stamp))
        self._record(topic.name, data)
        if event.kind == EpisodeEvent.KIND_ENDED and self._writer is not None:
            self._guarded(self._writer.end_episode, _index_entry(event, data))

    def _open(self, now: int) -> None:
        self._begin = now
        self._writer = BagWriter(Path(self._settings.bag), self._types)
        for topic in self._ear.topics:
            self._writer.add_topic(topic.name, topic.type_name, [offered(topic.qos)])
        for name, data in self._waiting:
            self._record(name, data)
        self._waiting.clear()

    def _record(self, topic: str, data: bytes) -> None:
        if self._writer is None:
            self._waiting = [*self._waiting, (topic, data)][-WAITING_LIMIT:]
            return
        # Until a clock comes, the start of the first episode is all that is known of the time.
        now = max(self._ear.clock or 0, self._begin)
        self._guarded(self._writer.write, topic, now, data)
        self._diagnostics.count("messages_recorded")

    def _guarded(self, write: Callable[..., None], *arguments: Any) -> None:
        try:
            write(*arguments)
        except BagWriteError as error:
            # The store goes on: a bag that is full does not end a collection.
            self._diagnostics.error(str(error))
            self.get_logger().error(str(error), throttle_duration_sec=5.0)

    def close(self) -> None:
        """Write the bag's index; without it the bag is readable all the same."""
        if self._writer is not None:
            facts = {"command": self._settings.provenance, "versions": versions()}
            self._guarded(self._writer.close, facts)
            self._writer = None


def _index_entry(event: EpisodeEvent, data: bytes) -> dict[str, Any]:
    """What the bag's index says of an episode: where it ends, and a checksum of its end."""
    return {
        "id": event.episode_id,
        "index": int(event.index),
        "outcome": Outcome(event.outcome).name,
        "failure_type": int(event.failure_type),
        "rows": int(event.steps),
        "end_stamp": convert.to_nanoseconds(event.header.stamp),
        "end_crc32": zlib.crc32(data),
    }


def main() -> None:
    """Run bag_node as a process."""
    run_node(BagNode)
