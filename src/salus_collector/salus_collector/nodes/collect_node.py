"""Drives a collection: asks for one episode after the other until all are in the store."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from salus_msgs.msg import PerceivedObjects, RecordingStatus
from salus_msgs.srv import Reset

from salus_collector.collection import CollectionProgress, share_of
from salus_collector.nodes.wiring import Wiring
from salus_data.types import FailureType, Outcome
from salus_ros import topics
from salus_ros.diagnostics import Diagnostics
from salus_ros.node import run_node
from salus_ros.parameters import declare, parameter

POLL = 0.2
"""Seconds of wall time between two looks at whether anything still moves."""


@dataclass(frozen=True)
class CollectParameters:
    """Parameters of collect_node."""

    episodes: int = parameter(5, "episodes the collection is to have", low=1, high=10_000_000)
    out: str = parameter("out/episodes", "folder of the collection, one store a worker")
    worker: int = parameter(0, "this worker's number, from 0", low=0, high=1023)
    workers: int = parameter(1, "how many workers share the collection", low=1, high=1024)
    stall_timeout: float = parameter(
        60.0, "wall time without any progress after which it gives up", unit="s", low=1.0, high=3600
    )


class CollectNode(Node):
    """Asks for episodes by index; those already in the store are not made again.

    Args:
        on_progress: hears every change; for a progress bar.
    """

    def __init__(
        self, on_progress: Callable[[CollectionProgress], None] | None = None, **node_options: Any
    ) -> None:
        super().__init__("collect_node", **node_options)
        self._settings = p = declare(self, CollectParameters)
        self._progress, self._todo = share_of(p.worker, p.workers, Path(p.out), p.episodes)
        self._on_progress = on_progress
        self._current: int | None = None
        self._asked: Future | None = None
        self._ready = False
        self._wiring = Wiring(self)
        self._diagnostics = Diagnostics(self)
        self._diagnostics.ok("waits for the other nodes")
        self._moved = time.monotonic()
        self.status: int | None = None  # exit status once it is over
        self._reset = self.create_client(Reset, "reset")
        self.create_subscription(
            RecordingStatus, topics.RECORDING, self._on_recording, topics.LATCHED_QOS
        )
        self.create_subscription(PerceivedObjects, topics.PERCEIVED, self._on_step, topics.STEP_QOS)
        self.create_timer(POLL, self._poll, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._tell()  # what is there already; perhaps it is everything

    def _poll(self) -> None:
        if self.status is not None:
            return
        if not self._todo and self._current is None:
            self._finish(1 if self._progress.discarded else 0)
        elif self._current is None and self._may_start():
            self._next()
        elif time.monotonic() - self._moved > self._settings.stall_timeout:
            self._fail(f"nothing moved for {self._settings.stall_timeout:.0f} s: {self._silent()}")

    def _may_start(self) -> bool:
        return self._ready and self._reset.service_is_ready() and self._wiring.whole()

    def _silent(self) -> str:
        if not self._ready:
            return "the recorder is not ready; do policy_node and recorder_node run?"
        if not self._reset.service_is_ready():
            return "the service `reset` is not there; does sim_node run?"
        if self._current is None:
            return self._wiring.gap()
        return f"episode {self._current} stands at step {self._progress.step}; see /diagnostics"

    def _next(self) -> None:
        if not self._todo:
            self._current = None
            return
        self._current = self._todo.pop(0)
        self._diagnostics.ok(f"episode {self._current}")
        self._asked = self._reset.call_async(Reset.Request(index=self._current))
        self._asked.add_done_callback(self._on_reset_answer)

    def _on_reset_answer(self, future: Future) -> None:
        answer = future.result()
        self._moved = time.monotonic()
        if answer is None or not answer.success:
            self._fail(f"reset was refused: {answer.message if answer else 'no answer'}")

    def _on_step(self, message: PerceivedObjects) -> None:
        self._moved = time.monotonic()
        self._progress.step = int(message.step)
        self._progress.steps += 1
        self._diagnostics.step()
        self._tell()

    def _on_recording(self, status: RecordingStatus) -> None:
        self._moved = time.monotonic()
        if status.state == RecordingStatus.STATE_READY:
            self._ready = True
        elif status.state == RecordingStatus.STATE_FAILED:
            self._fail(f"recording failed: {status.reason}")
        elif self._current is not None and status.index == self._current:
            self._count(status)
            self._next()

    def _count(self, status: RecordingStatus) -> None:
        if status.state == RecordingStatus.STATE_COMMITTED:
            self._progress.outcomes[_outcome(status)] += 1
            self._diagnostics.count("episodes_committed")
        else:
            self._progress.discarded.append((int(status.index), status.reason))
            self._diagnostics.count("episodes_discarded")
            self._diagnostics.dropped()
        self._progress.steps_recorded += int(status.rows)
        self.get_logger().info(self._progress.line())
        self._tell()

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self._progress)

    def _fail(self, why: str) -> None:
        self.get_logger().error(why)
        self._diagnostics.error(why)
        self._finish(1)

    def _finish(self, status: int) -> None:
        if self.status is None:
            self.status = status


def _outcome(status: RecordingStatus) -> str:
    if status.outcome == Outcome.FAILURE:
        return FailureType(status.failure_type).name.lower()
    return Outcome(status.outcome).name.lower()


def main() -> None:
    """Run collect_node as a process; its end ends the launch."""
    run_node(CollectNode)
