"""A policy that acts on what the cameras show, whatever it is told."""

import numpy as np
import pytest

from salus_collector.perception.localiser import Localiser
from salus_collector.perception.sighted import SightedPolicy
from salus_collector.policy.base import Decision, EpisodeStart, Observation
from salus_collector.policy.expert import Expert
from salus_collector.policy.registry import check_policy, policy_names
from salus_collector.sim.environment import PandaPickPlace
from salus_data.layout import object_slice

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


def test_it_has_a_name_that_collections_know() -> None:
    assert "smolvla-vision" in policy_names()
    check_policy("smolvla-vision")


def test_who_can_plan_anew_still_can_inside_another_policy() -> None:
    class Planner(Expert):
        planned = 0

        def replan(self) -> None:
            self.planned += 1

    planner = Planner()
    sighted(planner).replan()
    assert planner.planned == 1
    assert not hasattr(sighted(Expert()), "replan")
