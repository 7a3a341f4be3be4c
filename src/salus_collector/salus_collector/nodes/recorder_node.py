"""Writes what the graph says into a dataset, one whole episode at a time."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from geometry_msgs.msg import PoseStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from salus_msgs.msg import (
    Contract,
    EpisodeEvent,
    PerceivedObjects,
    PolicyAction,
    PolicyEmbedding,
    PolicyUncertainty,
    RecordingStatus,
)
from sensor_msgs.msg import JointState

from salus_collector.collection import versions
from salus_data.errors import SalusError
from salus_data.joining.assembler import Assembler, channels
from salus_data.joining.commit import EpisodeSink
from salus_data.joining.parts import feed, step_topics
from salus_ros import convert, topics
from salus_ros.contract_message import contract_from_message
from salus_ros.diagnostics import Diagnostics
from salus_ros.episode_message import record_from_message
from salus_ros.images import subscribe_to_images
from salus_ros.node import run_node
from salus_ros.parameters import declare, parameter

TYPES = {
    topics.JOINT_STATES: JointState,
    topics.EE_POSE: PoseStamped,
    topics.PERCEIVED: PerceivedObjects,
    topics.ACTION_PROPOSED: PolicyAction,
    topics.ACTION: PolicyAction,
    topics.UNCERTAINTY: PolicyUncertainty,
    topics.EMBEDDING: PolicyEmbedding,
}
"""Of the topics that carry one message a step; the others carry images."""


@dataclass(frozen=True)
class RecorderParameters:
    """Parameters of recorder_node."""

    store: str = parameter("episodes.zarr", "folder of the dataset; made where it is missing")
    provenance: str = parameter("", "how the episodes are made, kept in the dataset as it is")
    settle_time: float = parameter(
        2.0,
        "wall time to wait for the last messages of an ended episode",
        unit="s",
        low=0.1,
        high=60.0,
    )


class RecorderNode(Node):
    """Joins topics by stamp and step; an episode is written whole or not at all."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("recorder_node", **node_options)
        self._settings = declare(self, RecorderParameters)
        self._sink: EpisodeSink | None = None
        self._assembler: Assembler | None = None
        self._pending_events: list[EpisodeEvent] = []
        self._end: EpisodeEvent | None = None
        self._committed = 0
        self._diagnostics = Diagnostics(
            self, contract=lambda: self._sink.contract if self._sink else None
        )
        self._status = self.create_publisher(RecordingStatus, topics.RECORDING, topics.LATCHED_QOS)
        # Wall time: when a message is lost, nothing in simulated time would ever notice.
        self._settle = self.create_timer(
            self._settings.settle_time,
            self._give_up,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
            autostart=False,
        )
        self.create_subscription(Contract, topics.CONTRACT, self._on_contract, topics.LATCHED_QOS)
        self.create_subscription(EpisodeEvent, topics.EPISODE, self._on_episode, topics.EVENT_QOS)

    def _on_contract(self, message: Contract) -> None:
        contract = contract_from_message(message)
        if self._sink is not None:
            if contract != self._sink.contract:
                self._fail("the contract changed while recording; start a new recorder")
            return
        path = Path(self._settings.store)
        provenance = {"command": self._settings.provenance, "versions": versions()}
        self._sink = EpisodeSink(path, contract, provenance)
        row = {
            "policy_signals": int(message.policy_signals),
            "embedding": message.embedding_size > 0,
        }
        self._assembler = Assembler(channels(contract, **row))
        for topic in step_topics(contract.cameras, **row):
            hear = partial(self._on_step, topic)
            if topic in TYPES:
                self.create_subscription(TYPES[topic], topic, hear, topics.STEP_QOS)
            else:
                subscribe_to_images(self, topic, hear)
        for event in self._pending_events:
            self._on_episode(event)
        self._pending_events.clear()
        self._publish(RecordingStatus.STATE_READY)

    def _on_episode(self, event: EpisodeEvent) -> None:
        if self._assembler is None:
            self._pending_events.append(event)
            return
        if event.kind == EpisodeEvent.KIND_STARTED:
            if self._assembler.episode_id is not None:
                self._discard("the next episode started before this one was whole")
            stamp = convert.to_nanoseconds(event.header.stamp)
            self._assembler.begin(event.episode_id, stamp)
            self._end = None
        elif event.kind == EpisodeEvent.KIND_ENDED:
            if event.episode_id != self._assembler.episode_id:
                self._diagnostics.count("ends_of_unknown_episodes")
                return
            self._end = event
            if event.outcome == EpisodeEvent.OUTCOME_DISCARDED:
                self._discard(event.reason)
                return
            policy = self._sink.contract.policy if self._sink else ""
            self._assembler.end(
                record_from_message(event, policy=policy),
                int(event.steps),
                convert.to_nanoseconds(event.header.stamp),
            )
            self._settle.reset()
            self._commit_if_whole()

    def _on_step(self, topic: str, message: Any) -> None:
        if self._assembler is None:
            return
        feed(self._assembler, topic, message)
        if topic == topics.ACTION:
            self._diagnostics.step()
        self._commit_if_whole()

    def _commit_if_whole(self) -> None:
        if self._assembler is None or self._sink is None or not self._assembler.whole:
            return
        self._settle.cancel()
        began = time.monotonic()
        try:
            record, joined = self._assembler.take()
            record = self._sink.write(record, joined)
        except SalusError as error:
            self._fail(str(error))
            return
        self._committed += 1
        self._diagnostics.latency(time.monotonic() - began)
        self._diagnostics.count("episodes_committed")
        self._diagnostics.ok(f"committed {record.id}")
        self._publish(RecordingStatus.STATE_COMMITTED, rows=len(joined["stamp"]))

    def _give_up(self) -> None:
        self._settle.cancel()
        if self._assembler is not None and self._assembler.ended:
            self._discard(str(self._assembler.report()))

    def _discard(self, reason: str) -> None:
        self._settle.cancel()
        missing = 0
        if self._assembler is not None:
            missing = sum(self._assembler.report().missing.values())
            self._assembler.drop()
        self._diagnostics.count("episodes_discarded")
        self._diagnostics.dropped(missing)
        self._diagnostics.warn(reason)
        self.get_logger().warning(f"episode discarded: {reason}")
        self._publish(RecordingStatus.STATE_DISCARDED, reason=reason, missing=missing)

    def _fail(self, reason: str) -> None:
        self._diagnostics.error(reason)
        self.get_logger().error(reason)
        self._publish(RecordingStatus.STATE_FAILED, reason=reason)

    def _publish(self, state: int, *, reason: str = "", rows: int = 0, missing: int = 0) -> None:
        assembler, end = self._assembler, self._end
        self._status.publish(
            RecordingStatus(
                header=convert.header(convert.to_nanoseconds(end.header.stamp) if end else 0),
                episode_id=end.episode_id if end else "",
                index=end.index if end else -1,
                state=state,
                reason=reason,
                store=self._settings.store,
                outcome=end.outcome if end else EpisodeEvent.OUTCOME_UNKNOWN,
                failure_type=end.failure_type if end else EpisodeEvent.FAILURE_NONE,
                rows=rows,
                missing=missing,
                late=assembler.late if assembler else 0,
                duplicated=sum(assembler.duplicated.values()) if assembler else 0,
                episodes=self._committed,
            )
        )

    def close(self) -> None:
        """Give the store back; an open episode is lost, committed ones stay."""
        if self._sink is not None:
            self._sink.close()


def main() -> None:
    """Run recorder_node as a process."""
    run_node(RecorderNode)


if __name__ == "__main__":
    main()
