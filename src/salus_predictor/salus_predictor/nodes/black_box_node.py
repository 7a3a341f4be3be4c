"""Keeps the last seconds of the graph; a warning or an intervention makes a bag of them."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from salus_msgs.msg import FailureWarning, SupervisorState

from salus_data.bags.black_box import LATCHED, BlackBox, BlackBoxSettings, Recording, Trigger
from salus_data.bags.definitions import typestore_with
from salus_data.bags.write_recording import write_recording
from salus_data.bags.writer import BagWriteError
from salus_ros.bag_topics import RecordedTopic, offered
from salus_ros.diagnostics import Diagnostics
from salus_ros.graph_ear import GraphEar
from salus_ros.node import run_node
from salus_ros.parameters import declare, parameter

TICK = 0.1
"""Seconds of wall time between two looks at what is due."""
STILL = 2.0
"""Seconds of wall time without progress of /clock after which nothing more is waited for."""


@dataclass(frozen=True)
class BlackBoxParameters:
    """Parameters of black_box_node."""

    folder: str = parameter("out/black_box", "folder of the bags and of their journal")
    before: float = parameter(
        10.0, "what is kept before a trigger, by /clock", unit="s", low=0.1, high=600.0
    )
    after: float = parameter(2.0, "what follows a trigger", unit="s", low=0.0, high=60.0)
    megabytes: int = parameter(
        256, "messages in memory; two cameras of 256 px need 12 a second", low=1, high=65536
    )
    pause: float = parameter(
        10.0, "least time between the triggers of two bags", unit="s", low=0.0, high=3600.0
    )
    bags: int = parameter(100, "bags that the folder may hold; none is deleted", low=1, high=100000)


class BlackBoxNode(Node):
    """Hears every topic as bytes; bags are written beside the listening, one at a time."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("black_box_node", **node_options)
        p = declare(self, BlackBoxParameters)
        settings = BlackBoxSettings(
            Path(p.folder), p.before, p.after, p.megabytes * 1_000_000, p.pause, p.bags
        )
        self._types = typestore_with(Path(get_package_share_directory("salus_msgs"), "msg"))
        self._diagnostics = Diagnostics(self)
        self._box = BlackBox(settings, [self.resolve_topic_name(name) for name in LATCHED])
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="salus-black-box")
        self._pending: tuple[Recording, Future[None]] | None = None
        self._moved, self._moment = time.monotonic(), 0
        self._told = 0  # refusals that were told
        self._ear = GraphEar(self, self._hear)
        self.create_timer(TICK, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def box(self) -> BlackBox:
        """What was written and what was not."""
        return self._box

    def _now(self) -> int:
        """Log time [ns]: the last /clock; the system's time where there is none."""
        if self._ear.clock is not None:
            return self._ear.clock
        now: int = self.get_clock().now().nanoseconds
        return now

    def _hear(self, topic: RecordedTopic, data: bytes) -> None:
        now = self._now()
        self._box.add(topic.name, now, data)
        trigger: Trigger | None = None
        if topic.message is FailureWarning:
            trigger = self._box.hear_warning(deserialize_message(data, FailureWarning))
        elif topic.message is SupervisorState:
            trigger = self._box.hear_supervisor(deserialize_message(data, SupervisorState))
        if trigger is not None:
            self._diagnostics.count("triggers")
            self._box.trigger(trigger, now)
            self._tell()
        self._write(now)

    def _tick(self) -> None:
        now = self._now()
        if now != self._moment:
            self._moment, self._moved = now, time.monotonic()
        self._write(now, force=time.monotonic() - self._moved > STILL)

    def _write(self, now: int, *, force: bool = False) -> None:
        if self._pending is not None and not self._pending[1].done():
            return
        self._settle()
        if not self._box.waiting:
            return
        recording = self._box.complete(now, force=force)
        if recording is not None:
            topics = {t.name: (t.type_name, [offered(t.qos)]) for t in self._ear.topics}
            future = self._writing.submit(write_recording, recording, self._types, topics)
            self._pending = (recording, future)

    def _settle(self) -> None:
        """Note what came of the bag that was being written."""
        if self._pending is None:
            return
        (recording, future), self._pending = self._pending, None
        try:
            future.result()
        except BagWriteError as error:
            self._box.done(recording, str(error))
        else:
            self._box.done(recording)
            self._diagnostics.count("bags_written")
            self._diagnostics.tell("last_bag", str(recording.path))
            self._diagnostics.ok()
            self.get_logger().info(f"{recording.path}: {recording.triggers[0].reason}")
        self._tell()

    def _tell(self) -> None:
        """Say why a trigger did not become a bag."""
        for reason in self._box.refused[self._told :]:
            self._diagnostics.count("bags_not_written")
            self._diagnostics.tell("why_none", reason)
            self._diagnostics.warn(f"no bag: {reason}")
            self.get_logger().warning(f"no bag of a warning or intervention: {reason}")
        self._told = len(self._box.refused)

    def close(self) -> None:
        """Write what is under way; note why there is no bag where there is none."""
        while self._pending is not None or self._box.waiting:
            if self._pending is not None:
                self._pending[1].exception()
            self._write(self._now(), force=True)
        self._writing.shutdown()
        if why := self._box.end():
            self._diagnostics.tell("why_none", why)
            self.get_logger().info(f"no bag was written: {why}")


def main() -> None:
    """Run black_box_node as a process."""
    run_node(BlackBoxNode)
