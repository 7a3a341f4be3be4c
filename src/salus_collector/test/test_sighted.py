"""A policy that acts on what the cameras show, whatever it is told."""

import dataclasses

import numpy as np
import pytest

from salus_collector.perception.localiser import Localiser
from salus_collector.perception.seeing import with_localiser, with_second_look
from salus_collector.perception.sighted import SightedPolicy
from salus_collector.policy.base import Decision, EpisodeStart, Observation
from salus_collector.policy.contract import policy_contract
from salus_collector.policy.expert import Expert
from salus_collector.policy.registry import check_policy, policy_names
from salus_collector.sim.environment import PandaPickPlace
from salus_data.errors import PolicyError
from salus_data.layout import EE_POSITION, object_slice
from salus_data.signals import ROBOT_SIGNAL_COLUMNS, robot_part

START = EpisodeStart(seed=3, task="", step_period=1 / 30)
OBJECT, OBSTACLE, BIN = (object_slice(name) for name in ("object", "obstacle", "bin"))


class Believer(Expert):
    """An expert that keeps what it was told."""

    def act(self, observation: Observation) -> Decision:
        self.told = observation["perceived"].copy()
        return super().act(observation)


@pytest.fixture(scope="module")
def observation() -> Observation:
    environment = PandaPickPlace(image_size=128)
    try:
        first, _ = environment.reset(seed=5)
        return {name: np.array(value) for name, value in first.items()}
    finally:
        environment.close()


def sighted(expert: Expert) -> SightedPolicy:
    policy = SightedPolicy("sighted", expert, Localiser.load())
    policy.reset(START)
    return policy


def test_it_sees_where_things_are(observation: Observation) -> None:
    expert = Believer()
    sighted(expert).act(observation)
    truth = observation["perceived"]
    assert np.linalg.norm(expert.told[OBJECT][:3] - truth[OBJECT][:3]) < 0.02
    assert np.linalg.norm(expert.told[BIN][:2] - truth[BIN][:2]) < 0.02
    assert np.isfinite(truth[OBSTACLE]).all() == np.isfinite(expert.told[OBSTACLE]).all()


def test_what_it_is_told_does_not_matter(observation: Observation) -> None:
    blind = {**observation, "perceived": np.full(30, np.nan)}
    actions = [sighted(Expert()).act(o).action for o in (observation, blind)]
    np.testing.assert_array_equal(*actions)


def test_it_is_another_policy_than_the_one_inside() -> None:
    policy = sighted(Expert())
    assert policy.digest != Expert().digest
    assert policy.needs_images


def test_collections_know_the_policy_that_looks_and_the_one_that_is_told() -> None:
    assert {"smolvla", "smolvla-pose"} <= set(policy_names())
    check_policy("smolvla")
    check_policy("smolvla-pose")


def test_signals_about_objects_are_those_of_what_it_sees(observation: Observation) -> None:
    expert = Believer()
    policy = sighted(expert)
    blind = {**observation, "perceived": np.full(30, np.nan)}
    decision = policy.act(blind)
    named = {c.name: v for c, v in zip(policy.signals, decision.signals, strict=True)}
    gap = expert.told[OBJECT][:2] - observation["state"][EE_POSITION][:2]
    assert named["object_distance"] == pytest.approx(np.linalg.norm(gap))
    assert named["object_height"] == pytest.approx(expert.told[OBJECT][2])
    assert named["seen_bin_wander"] == 0  # of one frame
    assert 0 < named["seen_object_doubt"] < 0.1


def test_the_robot_gives_the_signals_that_the_policy_does_not() -> None:
    policy = sighted(Expert())
    contract = policy_contract(policy, step_period=1 / 30, task="")
    names = [column.name for column in contract.signals]
    assert sorted(names) == sorted(set(names))
    assert {column.name for column in ROBOT_SIGNAL_COLUMNS} <= set(names)
    robot = robot_part(contract.signals[len(policy.signals) :])
    assert not any(signal.perceives for signal in robot)


def test_a_view_that_wanders_shows(observation: Observation) -> None:
    policy = sighted(Expert())
    names = [column.name for column in policy.signals]
    policy.act(observation)
    shifted = {
        k: np.roll(v, 12, axis=1) if k == "image_front" else v for k, v in observation.items()
    }
    assert policy.act(shifted).signals[names.index("seen_bin_wander")] > 0.002


@pytest.mark.parametrize("wrap", [with_localiser, with_second_look])
def test_a_second_pair_of_eyes_is_refused(wrap) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PolicyError, match="acts on what the cameras show"):
        wrap(sighted(Expert()), "shipped")


def test_who_can_plan_anew_still_can_inside_another_policy() -> None:
    class Planner(Expert):
        planned = 0

        def replan(self) -> None:
            self.planned += 1

    planner = Planner()
    sighted(planner).replan()
    assert planner.planned == 1
    assert not hasattr(sighted(Expert()), "replan")


def test_after_an_intervention_it_remembers_an_obstacle_that_it_saw(
    observation: Observation, monkeypatch: pytest.MonkeyPatch
) -> None:
    expert = Believer()
    policy = sighted(expert)
    frame = policy.localiser.look(
        {camera: observation[f"image_{camera}"] for camera in policy.cameras},
        observation["state"],
    )

    def believed(log_odds: float, frames: int) -> bool:
        shown = dataclasses.replace(frame, obstacle_log_odds=log_odds)
        monkeypatch.setattr(Localiser, "look", lambda *_: shown)
        for _ in range(frames):
            last = policy.act(observation)
        policy.executed(last.action)
        return bool(np.isfinite(expert.told[OBSTACLE]).all())

    assert believed(4.0, 1)
    assert not believed(-4.0, 20), "left alone, it forgets what it no longer sees"
    policy.executed(np.array([0.0] * 6 + [1.0]))  # a hold
    assert believed(-4.0, 20)
    policy.reset(START)
    assert not believed(-4.0, 20)
