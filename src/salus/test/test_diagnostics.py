"""What every node of a running graph says about itself, once a second."""

from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from salus_msgs.msg import PolicyAction
from small_predictor import watched
from watched_graph import CONTRACT, Graph, watched_graph

from salus_ros import convert, topics
from salus_ros.meeting import Meetings

pytestmark = [
    pytest.mark.ros,
    # Of lark, which ROS's message types import.
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]

PACED = ("sim_node", "policy_node", "predictor_node", "supervisor_node")
EVERY = (*PACED, "recorder_node")


def listen(graph: Graph) -> dict[str, DiagnosticStatus]:
    """The last report of each node, by its name."""
    told: dict[str, DiagnosticStatus] = {}

    def keep(message: DiagnosticArray) -> None:
        for status in message.status:
            told[status.name.rpartition("/")[2]] = status

    graph.ear.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, keep, 100)
    return told


def values(status: DiagnosticStatus) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def test_every_node_tells_rate_latency_drops_and_whose_model_it_runs(tmp_path: Path) -> None:
    model = lambda _: watched(CONTRACT, alarm=2.0, elevated=2.0)  # noqa: E731
    with watched_graph(tmp_path, model, supervise="active") as graph:
        told = listen(graph)
        graph.run(0)
        told.clear()
        graph.spin_until(lambda: set(told) >= set(EVERY))
        found = {name: values(told[name]) for name in EVERY}
        step = int(graph.heard["actions"][-1].step)
        # What nobody can use is counted, and changes nothing.
        noise = graph.ear.create_publisher(PolicyAction, topics.ACTION_PROPOSED, topics.STEP_QOS)
        graph.spin_until(lambda: noise.get_subscription_count() >= 3)
        for _ in range(3):
            noise.publish(
                PolicyAction(
                    header=convert.header(1),
                    episode_id=graph.heard["actions"][-1].episode_id,
                    step=step,
                    action_space="delta_ee",
                    values=[0.0] * 7,
                )
            )
        graph.spin_until(lambda: int(values(told["supervisor_node"])["drops"]) >= 3)
    for name in EVERY:
        assert float(found[name]["rate_hz"]) >= 0
        assert float(found[name]["seconds_since_step"]) >= 0
        assert int(found[name]["steps"]) == step + 1
        assert found[name]["drops"] == "0", name
        assert 0 < float(found[name]["latency_p50_ms"]) <= float(found[name]["latency_p99_ms"])
    assert {found[name]["nominal_rate_hz"] for name in PACED} == {"30.0"}
    for name in ("predictor_node", "supervisor_node"):
        assert found[name]["model_id"] == "model-1"
        assert found[name]["calibration_id"] == "calibration-1"
    assert found["policy_node"]["model_id"] == "expert"
    assert found["supervisor_node"]["mode"] == "active"


def test_every_node_tells_whom_it_has_met_and_whether_a_contract_has_come(tmp_path: Path) -> None:
    with watched_graph(tmp_path, lambda _: watched(CONTRACT)) as graph:
        told = listen(graph)
        meetings = Meetings()

        def gap() -> str:
            for name, status in told.items():
                meetings.hear(name, values(status))
            return meetings.gap(EVERY)

        graph.spin_until(lambda: gap() == "")
        actions = f"{graph.namespace}/{topics.ACTION}"
        hear = sum(f"publishers {actions}" in values(told[name]) for name in EVERY)
        assert int(values(told["supervisor_node"])[f"listeners {actions}"]) >= hear >= 4
        for name in ("predictor_node", "supervisor_node", "recorder_node"):
            assert values(told[name])["contract"] == "expert"
        graph.kill("policy")
        proposals = f"publishers {graph.namespace}/{topics.ACTION_PROPOSED}"
        graph.spin_until(lambda: values(told["supervisor_node"])[proposals] == "0")


def test_a_node_that_has_done_nothing_yet_says_never(tmp_path: Path) -> None:
    with watched_graph(tmp_path, lambda _: watched(CONTRACT)) as graph:
        told = listen(graph)
        graph.spin_until(lambda: set(told) >= set(EVERY))
    for name in EVERY:
        assert values(told[name])["seconds_since_step"] == "never"
        assert "latency_p50_ms" not in values(told[name])
