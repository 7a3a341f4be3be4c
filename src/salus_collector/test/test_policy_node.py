"""policy_node with the expert: one proposed action for each whole observation, in order."""

import numpy as np
import pytest

pytest.importorskip("salus_msgs.msg")

from geometry_msgs.msg import PoseStamped
from probe import Probe
from salus_msgs.msg import Contract, EpisodeEvent, PerceivedObjects, PolicyAction
from sensor_msgs.msg import JointState

from salus_collector.nodes.policy_node import PolicyNode
from salus_collector.plan import plan_episode
from salus_collector.sim.disturbance_config import NO_DISTURBANCES
from salus_collector.sim.environment import PandaPickPlace
from salus_ros import convert, topics
from salus_ros.contract_message import contract_from_message

pytestmark = pytest.mark.ros


class Scene:
    """The policy, and a probe that plays the simulation and the supervisor."""

    def __init__(self, graph):
        self.graph = graph
        graph.add(PolicyNode, {"policy": "expert", "horizons": [3, 9]})
        self.probe = probe = graph.add(Probe)
        self.proposed = probe.listen(PolicyAction, topics.ACTION_PROPOSED)
        self.contracts = probe.listen(Contract, topics.CONTRACT, topics.LATCHED_QOS)
        self.episodes = probe.advertise(EpisodeEvent, topics.EPISODE, topics.EVENT_QOS)
        self.joints = probe.advertise(JointState, topics.JOINT_STATES)
        self.ee = probe.advertise(PoseStamped, topics.EE_POSE)
        self.perceived = probe.advertise(PerceivedObjects, topics.PERCEIVED)
        wanted = (topics.JOINT_STATES, topics.EE_POSE, topics.PERCEIVED, topics.EPISODE)
        assert graph.spin_until(
            lambda: all(probe.count_subscribers(topic) for topic in wanted) and self.contracts
        )
        graph.spin_for(0.3)

    def start(self, episode="e", idle_steps=0):
        self.episodes.publish(
            EpisodeEvent(
                kind=EpisodeEvent.KIND_STARTED,
                episode_id=episode,
                seed=1,
                step_period=1 / 30,
                idle_steps=idle_steps,
            )
        )

    def observe(self, observation, step, episode="e", *, without=""):
        stamp = 1000 + step * 33_333_333
        state = observation["state"]
        if without != "joints":
            self.joints.publish(convert.joint_state_message(state, stamp))
        self.ee.publish(convert.ee_pose_message(state, stamp))
        self.perceived.publish(
            convert.perceived_message(observation["perceived"], stamp, episode, step)
        )

    def answered(self, count):
        return self.graph.spin_until(lambda: len(self.proposed) >= count)


@pytest.fixture(scope="module")
def observation():
    with PandaPickPlace(image_size=0) as environment:
        found, _ = environment.reset(seed=plan_episode(0, 0, NO_DISTURBANCES).seed)
        return found


@pytest.fixture
def scene(graph):
    return Scene(graph)


def test_the_contract_is_latched_and_says_what_was_asked_for(scene):
    contract = contract_from_message(scene.contracts[-1])
    assert contract.horizons == (3, 9)
    assert contract.policy == "expert"
    assert contract.step_period == pytest.approx(1 / 30)


def test_each_whole_observation_is_answered_once_with_its_stamp(scene, observation):
    scene.start()
    for step in range(3):
        scene.observe(observation, step)
        assert scene.answered(step + 1)
    scene.graph.spin_for(0.2)
    assert [(m.episode_id, m.step) for m in scene.proposed] == [("e", 0), ("e", 1), ("e", 2)]
    stamps = [convert.to_nanoseconds(m.header.stamp) for m in scene.proposed]
    assert stamps == [1000 + step * 33_333_333 for step in range(3)]
    assert np.isfinite(scene.proposed[-1].values).all()


def test_in_the_idle_steps_it_holds(scene, observation):
    scene.start(idle_steps=1)
    scene.observe(observation, 0)
    assert scene.answered(1)
    assert list(scene.proposed[0].values) == [0.0] * 6 + [1.0]


def test_half_an_observation_is_not_answered(scene, observation):
    scene.start()
    scene.observe(observation, 0, without="joints")
    scene.graph.spin_for(0.3)
    assert scene.proposed == []


def test_an_observation_that_comes_before_its_episode_is_announced_waits(scene, observation):
    scene.observe(observation, 0)
    scene.graph.spin_for(0.2)
    assert scene.proposed == []
    scene.start()
    assert scene.answered(1)


def test_a_gap_between_observations_is_not_bridged(scene, observation):
    scene.start()
    scene.observe(observation, 0)
    assert scene.answered(1)
    scene.observe(observation, 2)
    scene.graph.spin_for(0.3)
    assert len(scene.proposed) == 1
