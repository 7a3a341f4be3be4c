"""A policy that looks again acts as ever until somebody interferes, and then on what is seen."""

import numpy as np
import pytest

from salus_collector.perception.seeing import with_second_look
from salus_collector.policy.base import Decision, EpisodeStart, Observation
from salus_collector.policy.expert import Expert
from salus_collector.sim.environment import PandaPickPlace
from salus_data.layout import object_slice

OBJECT = object_slice("object")
START = EpisodeStart(seed=3, task="", step_period=1 / 30)
BIAS = np.array([0.04, -0.03, 0.0])


def observe(seed: int = 5) -> Observation:
    """The first observation of an episode, with the object told beside where it is."""
    environment = PandaPickPlace(image_size=128)
    try:
        observation, _ = environment.reset(seed=seed)
        told = {k: np.array(v) for k, v in observation.items()}
    finally:
        environment.close()
    told["perceived"][OBJECT][:3] += BIAS
    return told


def test_until_somebody_interferes_every_action_is_the_policys_own() -> None:
    observation = observe()
    plain, looking = Expert(), with_second_look(Expert(), "shipped")
    for policy in (plain, looking):
        policy.reset(START)
    for _ in range(5):
        ours, theirs = looking.act(observation).action, plain.act(observation).action
        np.testing.assert_array_equal(ours, theirs)
        looking.executed(ours)
        plain.executed(theirs)
    assert (looking.name, looking.digest) == (plain.name, plain.digest)


class Listener(Expert):
    """An expert that keeps where it believes the object to be."""

    def act(self, observation: Observation) -> Decision:
        self.believed = observation["perceived"][OBJECT][:3].copy()
        return super().act(observation)


def test_after_an_intervention_it_acts_on_what_the_cameras_show() -> None:
    observation = observe()
    told = observation["perceived"][OBJECT][:3]
    expert = Listener()
    looking = with_second_look(expert, "shipped")
    looking.reset(START)
    looking.act(observation)
    np.testing.assert_array_equal(expert.believed, told)
    looking.executed(np.array([0.0] * 6 + [1.0]))  # a hold
    looking.act(observation)
    assert np.linalg.norm(expert.believed - (told - BIAS)) < 0.02
    np.testing.assert_array_equal(observation["perceived"][OBJECT][:3], told, "it changes nothing")


def test_the_next_episode_begins_on_what_it_is_told() -> None:
    looking = with_second_look(Expert(), "shipped")
    looking.reset(START)
    looking.act(observe())
    looking.executed(np.array([0.0] * 6 + [1.0]))
    assert looking.warned  # type: ignore[attr-defined]
    looking.reset(START)
    assert not looking.warned  # type: ignore[attr-defined]


def test_without_a_localiser_it_is_the_policy_itself() -> None:
    expert = Expert()
    assert with_second_look(expert, "") is expert


@pytest.mark.parametrize("name", ["nowhere.safetensors"])
def test_a_localiser_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no such file"):
        with_second_look(Expert(), name)
