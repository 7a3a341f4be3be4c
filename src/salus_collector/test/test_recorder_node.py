"""recorder_node over topics: what is not whole is not in the store, and it says why."""

import numpy as np
import pytest

pytest.importorskip("salus_msgs.msg")

from geometry_msgs.msg import PoseStamped
from probe import Probe
from salus_msgs.msg import (
    Contract,
    EpisodeEvent,
    PerceivedObjects,
    PolicyAction,
    RecordingStatus,
    SupervisorState,
)
from sensor_msgs.msg import Image, JointState

from salus_collector.nodes.recorder_node import RecorderNode
from salus_data.action_space import DELTA_EE
from salus_data.contract import Contract as ContractCore
from salus_data.episode import EpisodeRecord
from salus_data.layout import EE_QUATERNION, PERCEIVED, STATE
from salus_data.signals import ROBOT_SIGNAL_COLUMNS
from salus_data.store import Store
from salus_data.types import Outcome
from salus_ros import convert, topics
from salus_ros.contract_message import contract_to_message
from salus_ros.episode_message import record_to_message

pytestmark = pytest.mark.ros
STEPS = 6
SECOND = 1_000_000_000
CONTRACT = ContractCore(
    step_period=1 / 30,
    action_space=DELTA_EE,
    state=STATE,
    perceived=PERCEIVED,
    signals=ROBOT_SIGNAL_COLUMNS,
    cameras=("front",),
    policy="expert",
)
KINDS = {
    topics.JOINT_STATES: JointState,
    topics.EE_POSE: PoseStamped,
    topics.PERCEIVED: PerceivedObjects,
    topics.ACTION_PROPOSED: PolicyAction,
    topics.ACTION: PolicyAction,
    topics.image_topic("front"): Image,
}


class Scene:
    """A recorder, and a probe that plays everything that it hears."""

    def __init__(self, graph, store):
        self.graph, self.store = graph, store
        graph.add(RecorderNode, {"store": str(store), "settle_time": 0.5})
        self.probe = probe = graph.add(Probe)
        self.statuses = probe.listen(RecordingStatus, topics.RECORDING, topics.LATCHED_QOS)
        self.events = probe.advertise(EpisodeEvent, topics.EPISODE, topics.EVENT_QOS)
        self.out = {topic: probe.advertise(kind, topic) for topic, kind in KINDS.items()}
        self.contracts = probe.advertise(Contract, topics.CONTRACT, topics.LATCHED_QOS)

    def contract(self, contract=CONTRACT):
        self.contracts.publish(contract_to_message(contract, policy_signals=0))
        assert self.graph.spin_until(
            lambda: all(self.probe.count_subscribers(topic) for topic in KINDS) and self.statuses
        )
        self.graph.spin_for(0.3)

    def start(self, index):
        self._event(index, EpisodeEvent.KIND_STARTED)

    def end(self, index, **changes):
        self._event(index, EpisodeEvent.KIND_ENDED, **changes)

    def _event(self, index, kind, **changes):
        record = EpisodeRecord(
            id=f"0-{index}",
            index=index,
            seed=index,
            outcome=Outcome.SUCCESS,
            onset_step=STEPS - 2,
            confirm_step=STEPS - 1,
        )
        message = record_to_message(record, kind)
        last = kind == EpisodeEvent.KIND_ENDED
        message.header = convert.header(stamp(index, STEPS - 1 if last else 0))
        message.steps = STEPS
        for name, value in changes.items():
            setattr(message, name, value)
        self.events.publish(message)

    def rows(self, index, *, without=(), twice=()):
        for step in range(STEPS):
            for topic, message in row(index, step).items():
                if (topic, step) not in without:
                    for _ in range(2 if (topic, step) in twice else 1):
                        self.out[topic].publish(message)

    def status(self, state, index):
        def found():
            return [s for s in self.statuses if (s.state, s.index) == (state, index)]

        assert self.graph.spin_until(lambda: bool(found())), self.statuses
        return found()[0]


def stamp(index, step):
    return (index + 1) * SECOND + round(step * SECOND / 30)


def row(index, step):
    random = np.random.default_rng([index, step])
    state = random.normal(size=len(STATE))
    state[EE_QUATERNION] = 0, 0, 0, 1
    time = stamp(index, step)
    action = {
        "header": convert.header(time),
        "episode_id": f"0-{index}",
        "step": step,
        "action_space": "delta_ee",
        "values": [0.001 * step] * 6 + [1.0],
    }
    image = random.integers(0, 256, (16, 16, 3), np.uint8)
    return {
        topics.JOINT_STATES: convert.joint_state_message(state, time),
        topics.EE_POSE: convert.ee_pose_message(state, time),
        topics.PERCEIVED: convert.perceived_message(
            np.full(len(PERCEIVED), np.nan), time, f"0-{index}", step
        ),
        topics.ACTION_PROPOSED: PolicyAction(**action),
        topics.ACTION: PolicyAction(**action, supervisor_state=SupervisorState.STATE_NORMAL),
        topics.image_topic("front"): convert.image_message(image, time, "camera"),
    }


@pytest.fixture
def scene(graph, tmp_path):
    scene = Scene(graph, tmp_path / "set.zarr")
    scene.contract()
    return scene


def test_a_whole_episode_is_committed_with_what_the_messages_said(scene):
    scene.start(0)
    scene.rows(0)
    scene.end(0)
    status = scene.status(RecordingStatus.STATE_COMMITTED, 0)
    assert (status.rows, status.missing, status.reason) == (STEPS, 0, "")
    store = Store.open(scene.store)
    image = convert.image_from(row(0, 3)[topics.image_topic("front")])
    assert np.array_equal(store.read("image_front", 0)[3], image)
    assert store.read("stamp", 0).tolist() == [stamp(0, step) for step in range(STEPS)]
    assert store.read("action", 0)[2].tolist() == [0.002] * 6 + [1.0]


def test_messages_that_come_after_the_end_still_count(scene):
    scene.start(0)
    scene.end(0)
    scene.graph.spin_for(0.1)
    assert not scene.store.exists()
    scene.rows(0)
    status = scene.status(RecordingStatus.STATE_COMMITTED, 0)
    assert (status.rows, status.late) == (STEPS, 0)
    assert Store.open(scene.store).n_rows == STEPS


@pytest.mark.parametrize(
    ("topic", "what"),
    [
        (topics.JOINT_STATES, "joints 1"),
        (topics.ACTION, "action 1, supervisor_state 1"),
        (topics.image_topic("front"), "image_front 1"),
    ],
)
def test_an_episode_that_lacks_one_message_is_never_written(scene, topic, what):
    scene.start(0)
    scene.rows(0, without={(topic, 4)})
    scene.end(0)
    status = scene.status(RecordingStatus.STATE_DISCARDED, 0)
    assert f"messages missing ({what}), first at step 4" in status.reason
    assert status.missing >= 1
    assert not scene.store.exists()
    scene.start(1)
    scene.rows(1)
    scene.end(1)
    scene.status(RecordingStatus.STATE_COMMITTED, 1)
    assert [r.id for r in Store.open(scene.store).records] == ["0-1"]


def test_messages_that_come_twice_are_counted_and_change_nothing(scene):
    scene.start(0)
    scene.rows(0, twice={(topics.ACTION, 1), (topics.EE_POSE, 2)})
    scene.end(0)
    scene.status(RecordingStatus.STATE_COMMITTED, 0)
    assert Store.open(scene.store).n_rows == STEPS


def test_messages_of_a_closed_episode_are_late(scene):
    for index in (0, 1):
        scene.start(index)
        scene.rows(index)
        if index:
            scene.out[topics.EE_POSE].publish(row(0, 2)[topics.EE_POSE])
            scene.graph.spin_for(0.2)
        scene.end(index)
        status = scene.status(RecordingStatus.STATE_COMMITTED, index)
    assert status.late == 1


def test_an_episode_that_the_simulation_discards_is_not_written(scene):
    scene.start(0)
    scene.rows(0)
    scene.end(0, outcome=EpisodeEvent.OUTCOME_DISCARDED, reason="unstable simulation")
    status = scene.status(RecordingStatus.STATE_DISCARDED, 0)
    assert status.reason == "unstable simulation"
    assert not scene.store.exists()


def test_events_that_come_before_the_contract_are_not_lost(graph, tmp_path):
    scene = Scene(graph, tmp_path / "set.zarr")
    graph.spin_until(lambda: bool(scene.probe.count_subscribers(topics.EPISODE)))
    scene.start(0)
    graph.spin_for(0.3)
    scene.contract()
    scene.rows(0)
    scene.end(0)
    status = scene.status(RecordingStatus.STATE_COMMITTED, 0)
    assert (status.rows, status.missing) == (STEPS, 0)
    assert [record.id for record in Store.open(scene.store).records] == ["0-0"]


def test_another_contract_in_the_middle_fails_loudly(scene):
    other = ContractCore(**{**CONTRACT.__dict__, "task": "something else"})
    scene.contracts.publish(contract_to_message(other, policy_signals=0))
    status = scene.status(RecordingStatus.STATE_FAILED, -1)
    assert "the contract changed while recording" in status.reason


def test_a_store_of_another_version_fails_loudly_and_is_left_alone(scene):
    scene.store.mkdir()
    metadata = '{"zarr_format": 3, "node_type": "group", "attributes": {"schema_version": 999}}'
    (scene.store / "zarr.json").write_text(metadata)
    scene.start(0)
    scene.rows(0)
    scene.end(0)
    status = scene.status(RecordingStatus.STATE_FAILED, 0)
    assert "999" in status.reason
    assert (scene.store / "zarr.json").read_text() == metadata
