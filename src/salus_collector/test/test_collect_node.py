"""collect_node: asks for what is missing, counts what comes, gives up when nothing moves."""

from functools import partial

import pytest

pytest.importorskip("salus_msgs.msg")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped
from probe import Probe
from salus_msgs.msg import EpisodeEvent, PerceivedObjects, PolicyAction, RecordingStatus
from salus_msgs.srv import Reset
from sensor_msgs.msg import JointState

from salus_collector.nodes import wiring
from salus_collector.nodes.collect_node import CollectNode
from salus_collector.nodes.wiring import SETTLE, WIRES
from salus_data.faults import CONTRACT, IMAGES, noise_episode
from salus_data.types import Outcome
from salus_data.writer import StoreWriter
from salus_ros import topics

pytestmark = pytest.mark.ros


TYPES = {
    topics.JOINT_STATES: JointState,
    topics.EE_POSE: PoseStamped,
    topics.PERCEIVED: PerceivedObjects,
    topics.EPISODE: EpisodeEvent,
    topics.ACTION_PROPOSED: PolicyAction,
    topics.ACTION: PolicyAction,
}


class Scene:
    """A probe that plays all the other nodes; those that `deaf` names do not hear it."""

    def __init__(self, graph, tmp_path, *, deaf="", **parameters):
        self.graph = graph
        self.asked = []
        self.refusal = ""
        self.probe = probe = graph.add(Probe)
        probe.create_service(Reset, "reset", self._on_reset)
        for topic, (_, listeners) in WIRES.items():
            probe.advertise(TYPES[topic], topic, topics.STEP_QOS)
            for listener in listeners:
                if listener != deaf:
                    probe.listen(TYPES[topic], topic, topics.STEP_QOS)
        self.status = probe.advertise(RecordingStatus, topics.RECORDING, topics.LATCHED_QOS)
        self.node = graph.add(CollectNode, {"out": str(tmp_path), "episodes": 3, **parameters})

    def _on_reset(self, request, response):
        self.asked.append(request.index)
        response.success, response.message = not self.refusal, self.refusal
        return response

    def say(self, state, index=-1, **fields):
        self.status.publish(
            RecordingStatus(state=state, index=index, outcome=int(Outcome.SUCCESS), **fields)
        )

    def asked_for(self, indices):
        return self.graph.spin_until(lambda: self.asked == indices)


def test_it_asks_for_one_episode_after_the_other_and_ends_with_0(graph, tmp_path):
    scene = Scene(graph, tmp_path)
    graph.spin_for(0.5)
    assert scene.asked == [], "the recorder was not ready"
    scene.say(RecordingStatus.STATE_READY)
    for index in range(3):
        assert scene.asked_for(list(range(index + 1)))
        scene.say(RecordingStatus.STATE_COMMITTED, index, rows=9)
    assert graph.spin_until(lambda: scene.node.status is not None)
    assert scene.node.status == 0


def test_a_discarded_episode_is_reported_by_status_1_and_the_next_is_asked_for(graph, tmp_path):
    scene = Scene(graph, tmp_path, episodes=2)
    scene.say(RecordingStatus.STATE_READY)
    assert scene.asked_for([0])
    scene.say(RecordingStatus.STATE_DISCARDED, 0, reason="messages missing")
    assert scene.asked_for([0, 1])
    scene.say(RecordingStatus.STATE_COMMITTED, 1)
    assert graph.spin_until(lambda: scene.node.status is not None)
    assert scene.node.status == 1


def test_its_diagnostics_tell_which_episode_runs_and_what_became_of_the_others(graph, tmp_path):
    scene = Scene(graph, tmp_path)
    told = []
    scene.probe.create_subscription(
        DiagnosticArray, topics.DIAGNOSTICS, lambda message: told.extend(message.status), 10
    )
    mine = lambda: [s for s in told if s.name.endswith("collect_node")]  # noqa: E731
    assert graph.spin_until(mine)
    assert mine()[-1].message == "waits for the other nodes"
    scene.say(RecordingStatus.STATE_READY)
    assert scene.asked_for([0])
    scene.say(RecordingStatus.STATE_DISCARDED, 0, reason="messages missing")
    assert scene.asked_for([0, 1])
    assert graph.spin_until(lambda: mine()[-1].message == "episode 1")
    values = {pair.key: pair.value for pair in mine()[-1].values}
    assert (values["episodes_discarded"], values["drops"]) == ("1", "1")


def test_episodes_in_any_store_of_the_folder_are_not_made_again(graph, tmp_path):
    with StoreWriter.open(tmp_path / "w7.zarr", CONTRACT, images=IMAGES, provenance={}) as writer:
        writer.append(*noise_episode(0))
        writer.append(*noise_episode(2))
    scene = Scene(graph, tmp_path, episodes=4, worker=0, workers=1)
    scene.say(RecordingStatus.STATE_READY)
    assert scene.asked_for([1])
    scene.say(RecordingStatus.STATE_COMMITTED, 1)
    assert scene.asked_for([1, 3])


def test_it_tells_at_once_what_is_there_already(graph, tmp_path):
    with StoreWriter.open(tmp_path / "w0.zarr", CONTRACT, images=IMAGES, provenance={}) as writer:
        writer.append(*noise_episode(0))
    told = []
    graph.add(
        partial(CollectNode, lambda progress: told.append(progress.line())),
        {"out": str(tmp_path), "episodes": 1},
    )
    assert told == ["1 of 1 episodes"]


def test_workers_share_the_indices(graph, tmp_path):
    scene = Scene(graph, tmp_path, episodes=4, worker=1, workers=2)
    scene.say(RecordingStatus.STATE_READY)
    assert scene.asked_for([1])
    scene.say(RecordingStatus.STATE_COMMITTED, 1)
    assert scene.asked_for([1, 3])


def test_a_refused_reset_ends_it(graph, tmp_path):
    scene = Scene(graph, tmp_path)
    scene.refusal = "2 nodes publish action"
    scene.say(RecordingStatus.STATE_READY)
    assert graph.spin_until(lambda: scene.node.status == 1)


def test_a_recorder_that_fails_ends_it(graph, tmp_path):
    scene = Scene(graph, tmp_path)
    scene.say(RecordingStatus.STATE_READY)
    assert scene.asked_for([0])
    scene.say(RecordingStatus.STATE_FAILED, reason="disk full")
    assert graph.spin_until(lambda: scene.node.status == 1)


def test_when_nothing_moves_it_gives_up(graph, tmp_path):
    scene = Scene(graph, tmp_path, stall_timeout=1.0)
    assert graph.spin_until(lambda: scene.node.status == 1)
    assert scene.asked == []


def test_no_episode_starts_before_everybody_hears_everybody(graph, tmp_path):
    scene = Scene(graph, tmp_path, deaf="supervisor_node", stall_timeout=3.0)
    scene.say(RecordingStatus.STATE_READY)
    assert graph.spin_until(lambda: scene.node.status == 1)
    assert scene.asked == []


def test_no_episode_starts_before_the_others_say_that_they_have_met_each_other(graph, tmp_path):
    scene = Scene(graph, tmp_path)
    reports = scene.probe.advertise(DiagnosticArray, topics.DIAGNOSTICS)
    action = scene.probe.resolve_topic_name(topics.ACTION)
    known = len(WIRES[topics.ACTION][1])

    def report(listeners):
        values = {f"listeners {action}": listeners, f"publishers {action}": 1}
        status = DiagnosticStatus(
            name=f"{scene.probe.get_namespace()[1:]}/probe",
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
        reports.publish(DiagnosticArray(status=[status]))

    scene.say(RecordingStatus.STATE_READY)
    assert graph.spin_until(reports.get_subscription_count)
    graph.spin_for(SETTLE + 1.5)
    assert scene.asked == [], "the probe has a publisher of diagnostics and has not reported"
    report(0)
    graph.spin_for(SETTLE + 1.0)
    assert scene.asked == [], "the probe's publisher has met nobody"
    report(known)
    assert scene.asked_for([0])


def test_a_node_with_diagnostics_of_another_kind_keeps_nothing_from_starting(
    graph, tmp_path, monkeypatch
):
    monkeypatch.setattr(wiring, "REPORT_WITHIN", SETTLE + 1.0)
    scene = Scene(graph, tmp_path)
    reports = scene.probe.advertise(DiagnosticArray, topics.DIAGNOSTICS)
    scene.say(RecordingStatus.STATE_READY)
    assert graph.spin_until(reports.get_subscription_count)
    reports.publish(DiagnosticArray(status=[DiagnosticStatus(name="camera: frame rate")]))
    assert scene.asked_for([0])
