"""sim_node over topics: what it does with actions that are wrong, late, or somebody else's."""

import math

import pytest

pytest.importorskip("salus_msgs.msg")

import itertools

from probe import Probe, call
from rosgraph_msgs.msg import Clock
from salus_msgs.msg import EpisodeEvent, PerceivedObjects, PolicyAction
from salus_msgs.srv import Reset, Step
from std_srvs.srv import SetBool

from salus_collector.nodes.sim_node import PUBLISHER_CHECK_STEPS, SimNode
from salus_ros import convert, topics

pytestmark = pytest.mark.ros
HOLD = [0.0] * 6 + [1.0]


class Bench:
    """sim_node and a probe that plays policy, supervisor and operator."""

    def __init__(self, graph, **parameters):
        self.graph = graph
        graph.add(SimNode, {"image_size": 0, "seed": 3, "step_limit": 20, **parameters})
        self.probe = graph.add(Probe)
        self.observations = self.probe.listen(PerceivedObjects, topics.PERCEIVED)
        self.events = self.probe.listen(EpisodeEvent, topics.EPISODE, topics.EVENT_QOS)
        self.clock = self.probe.listen(Clock, topics.CLOCK, 1000)
        self.actions = self.probe.advertise(PolicyAction, topics.ACTION)
        self.reset_client = self.probe.create_client(Reset, "reset")
        assert graph.spin_until(
            lambda: (
                self.probe.count_subscribers(topics.ACTION)
                and self.probe.count_publishers(topics.PERCEIVED)
                and self.probe.count_publishers(topics.EPISODE)
            )
        )
        graph.spin_for(0.3)

    def reset(self, index=-1):
        answer = call(self.graph, self.reset_client, Reset.Request(index=index))
        if answer.success:
            assert self.graph.spin_until(
                lambda: self.observations and self.observations[-1].episode_id == answer.episode_id
            )
        return answer

    def act(self, values=HOLD, **changes):
        last = self.observations[-1]
        fields = {
            "header": last.header,
            "episode_id": last.episode_id,
            "step": last.step,
            "action_space": "delta_ee",
            "values": list(values),
        }
        self.actions.publish(PolicyAction(**fields | changes))

    def step(self):
        count = len(self.observations)
        self.act()
        assert self.graph.spin_until(lambda: len(self.observations) > count)

    def ended(self):
        return [e for e in self.events if e.kind == EpisodeEvent.KIND_ENDED]

    def stands_still(self):
        count = len(self.observations)
        self.graph.spin_for(0.3)
        return len(self.observations) == count and not self.ended()


@pytest.fixture
def bench(graph):
    return Bench(graph)


def test_one_action_one_observation_and_a_clock_that_only_grows(bench):
    for index in (1, 0):
        assert bench.reset(index).success
        for _ in range(5):
            bench.step()
    steps = [message.step for message in bench.observations]
    assert steps == [*range(6), *range(6)]
    stamps = [convert.to_nanoseconds(message.clock) for message in bench.clock]
    assert len(stamps) == 12
    assert all(a < b for a, b in itertools.pairwise(stamps))
    assert stamps == [convert.to_nanoseconds(m.header.stamp) for m in bench.observations]


def test_an_action_for_another_episode_or_step_or_one_that_comes_twice_is_not_executed(bench):
    bench.reset(0)
    bench.step()
    bench.act(step=0)
    bench.act(step=2)
    bench.act(episode_id="3-000099")
    assert bench.stands_still()
    bench.step()
    assert bench.observations[-1].step == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"values": HOLD[:-1]}, "shape (6,)"),
        ({"values": [math.nan, *HOLD[1:]]}, "not finite in dx"),
        ({"action_space": "joint_position"}, "started with 'delta_ee'"),
        ({"supervisor_state": 200}, "200"),
    ],
)
def test_a_wrong_action_discards_the_episode_and_the_next_one_runs(bench, changes, reason):
    bench.reset(0)
    bench.step()
    bench.act(**changes)
    assert bench.graph.spin_until(lambda: bool(bench.ended()))
    end = bench.ended()[0]
    assert end.outcome == EpisodeEvent.OUTCOME_DISCARDED
    assert reason in end.reason
    assert bench.reset(1).success
    bench.step()


def test_a_second_publisher_of_actions_is_refused(bench):
    second = bench.graph.add(lambda **options: Probe(**options))
    second.advertise(PolicyAction, topics.ACTION)
    bench.graph.spin_until(lambda: bench.probe.count_publishers(topics.ACTION) == 2)
    answer = bench.reset(0)
    assert not answer.success
    assert "2 nodes publish" in answer.message
    assert not bench.observations


def test_a_second_publisher_in_the_middle_of_an_episode_discards_it(graph):
    bench = Bench(graph, step_limit=100)
    bench.reset(0)
    bench.step()
    second = graph.add(lambda **options: Probe(**options))
    second.advertise(PolicyAction, topics.ACTION)
    graph.spin_until(lambda: bench.probe.count_publishers(topics.ACTION) == 2)
    for _ in range(PUBLISHER_CHECK_STEPS - 1):
        bench.step()
    bench.act()
    assert graph.spin_until(lambda: bool(bench.ended()))
    assert "only one may command the arm" in bench.ended()[0].reason


def test_pause_holds_the_simulation_and_step_lets_it_go_on_by_so_many(bench):
    pause = bench.probe.create_client(SetBool, "pause")
    step = bench.probe.create_client(Step, "step")
    assert not call(bench.graph, step, Step.Request(steps=1)).success
    bench.reset(0)
    assert call(bench.graph, pause, SetBool.Request(data=True)).success
    bench.act()
    assert bench.stands_still()
    assert call(bench.graph, step, Step.Request(steps=2)).success
    assert bench.graph.spin_until(lambda: bench.observations[-1].step == 1)
    bench.step()
    bench.act()
    assert bench.stands_still()
    assert call(bench.graph, pause, SetBool.Request(data=False)).success
    assert bench.graph.spin_until(lambda: bench.observations[-1].step == 3)


def test_a_reset_cuts_the_running_episode_off(bench):
    bench.reset(0)
    bench.step()
    bench.reset(5)
    assert bench.graph.spin_until(lambda: bool(bench.ended()))
    end = bench.ended()[0]
    assert (end.outcome, end.steps) == (EpisodeEvent.OUTCOME_TRUNCATED, 2)
    assert bench.observations[-1].episode_id == "3-000005"


def test_any_index_below_0_asks_for_the_next_one(bench):
    answer = bench.reset(-5)
    assert answer.success
    assert answer.episode_id == "3-000000"


def test_an_index_that_no_stamp_is_left_for_is_refused_and_the_episode_goes_on(bench):
    bench.reset(0)
    bench.step()
    answer = bench.reset(2**62)
    assert not answer.success
    assert "give 0 to" in answer.message
    bench.step()
    assert not bench.ended()


def test_the_step_limit_truncates_and_the_last_observation_is_answered(bench):
    bench.reset(0)
    for _ in range(20):
        bench.step()
    assert not bench.ended()
    bench.act()
    assert bench.graph.spin_until(lambda: bool(bench.ended()))
    end = bench.ended()[0]
    assert (end.outcome, end.steps) == (EpisodeEvent.OUTCOME_TRUNCATED, 21)


def test_in_realtime_an_action_that_does_not_come_discards_the_episode(graph):
    bench = Bench(graph, mode="realtime", action_age_limit=0.05)
    bench.reset(0)
    assert graph.spin_until(lambda: bool(bench.ended()), 10.0)
    assert "no action for 3-000000 step 0" in bench.ended()[0].reason
