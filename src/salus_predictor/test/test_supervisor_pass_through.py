"""The command path without a model: every sound action goes through, nothing is invented."""

import math

import pytest

pytest.importorskip("salus_msgs.msg")

from rclpy.node import Node
from salus_msgs.msg import EpisodeEvent, PolicyAction, SupervisorState

from salus_predictor.nodes.supervisor_node import SupervisorNode
from salus_ros import topics
from salus_ros.domain import claimed_domain
from salus_ros.graph import Graph

pytestmark = pytest.mark.ros


class Scene:
    def __init__(self, graph):
        self.graph = graph
        graph.add(SupervisorNode)
        probe = graph.add(lambda **options: Node("probe", **options))
        self.actions, self.states = [], []
        probe.create_subscription(PolicyAction, topics.ACTION, self.actions.append, topics.STEP_QOS)
        probe.create_subscription(
            SupervisorState, topics.SUPERVISOR, self.states.append, topics.LATCHED_QOS
        )
        self.proposed = probe.create_publisher(
            PolicyAction, topics.ACTION_PROPOSED, topics.STEP_QOS
        )
        self.episodes = probe.create_publisher(EpisodeEvent, topics.EPISODE, topics.EVENT_QOS)
        assert graph.spin_until(
            lambda: (
                probe.count_subscribers(topics.ACTION_PROPOSED)
                and probe.count_publishers(topics.ACTION)
            )
        )
        graph.spin_for(0.3)

    def propose(self, values, space="delta_ee"):
        self.proposed.publish(
            PolicyAction(episode_id="e", step=4, action_space=space, values=values, chunk_phase=2)
        )


@pytest.fixture
def scene():
    with claimed_domain() as domain, Graph(domain) as graph:
        yield Scene(graph)


def test_an_action_goes_through_to_the_last_bit_and_says_normal(scene):
    values = [0.1 / 3, -1e-17, 0.9, 0.0, 5e-324, -0.05, 1.0]
    scene.propose(values)
    assert scene.graph.spin_until(lambda: bool(scene.actions))
    action = scene.actions[0]
    assert list(action.values) == values
    assert (action.episode_id, action.step, action.chunk_phase) == ("e", 4, 2)
    assert action.supervisor_state == SupervisorState.STATE_NORMAL


@pytest.mark.parametrize(
    ("values", "space"),
    [
        ([0.0] * 6, "delta_ee"),
        ([math.nan] + [0.0] * 6, "delta_ee"),
        ([math.inf] + [0.0] * 6, "delta_ee"),
        ([0.0] * 7, "no_such_space"),
    ],
)
def test_an_unsound_action_is_neither_passed_nor_replaced(scene, values, space):
    scene.propose(values, space)
    scene.graph.spin_for(0.3)
    assert scene.actions == []
    scene.propose([0.0] * 7)
    assert scene.graph.spin_until(lambda: len(scene.actions) == 1)


def test_it_says_once_an_episode_that_it_passes_everything_through(scene):
    scene.episodes.publish(EpisodeEvent(kind=EpisodeEvent.KIND_STARTED, episode_id="e"))
    assert scene.graph.spin_until(lambda: bool(scene.states))
    assert scene.states[0].mode == SupervisorState.MODE_PASS_THROUGH
    assert "no model" in scene.states[0].reason
