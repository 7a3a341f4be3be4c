"""Lockstep as a core: one action in, one observation out, and time that never runs backwards."""

import gymnasium
import numpy as np
import pytest

from salus_collector.policy.base import EpisodeStart
from salus_collector.policy.expert import Expert
from salus_collector.policy.runner import PolicyRunner
from salus_collector.sim.disturbance_config import (
    NO_DISTURBANCES,
    Severity,
    single_family_mix,
)
from salus_collector.sim.environment import PandaPickPlace
from salus_collector.sim.session import Session, StaleActionError
from salus_data.errors import ActionError, FormatError
from salus_data.types import Outcome

HOLD = [0, 0, 0, 0, 0, 0, 1.0]
SPACE = "delta_ee"


@pytest.fixture(scope="module")
def environment():
    with PandaPickPlace(image_size=0) as made:
        yield made


@pytest.fixture
def session(environment):
    return Session(environment, NO_DISTURBANCES, 5, policy="expert")


class Toy(gymnasium.Env):
    """Gymnasium's interface alone."""

    step_period, task_description = 0.1, "none"


def test_an_environment_that_is_no_simulation_is_refused_by_what_it_lacks():
    with pytest.raises(FormatError, match="Toy lacks camera_fovy, config, freeze_stall"):
        Session(Toy(), NO_DISTURBANCES, 5)


def answer(session, action=HOLD):
    episode, step = session.waiting_for
    return session.apply(episode, step, action, space=SPACE)


def run_expert(session, index):
    """The frames of one episode."""
    frame = session.start(index)
    runner = PolicyRunner(Expert())
    runner.begin(
        EpisodeStart(session.plan.seed, session.task, session.step_period), session.idle_steps
    )
    frames = [frame]
    while frame is not None:
        decision = runner.decide(frame.observation)
        frame = answer(session, decision.action)
        runner.executed(decision.action)
        if frame is not None:
            frames.append(frame)
    return frames


def test_every_observation_is_answered_once_and_the_last_one_too(session):
    frames = run_expert(session, 0)
    assert [frame.step for frame in frames] == list(range(len(frames)))
    assert [frame.last for frame in frames] == [False] * (len(frames) - 1) + [True]
    assert session.record.outcome is Outcome.SUCCESS
    assert session.record.confirm_step == len(frames) - 1
    assert session.rows == len(frames)
    assert session.waiting_for is None


def test_stamps_follow_from_the_index_and_grow_over_episodes(session, environment):
    first = [frame.stamp for frame in run_expert(session, 3)]
    second = [frame.stamp for frame in run_expert(session, 4)]
    assert np.all(np.diff(first + second) > 0)
    alone = Session(environment, NO_DISTURBANCES, 5)
    assert alone.start(4).stamp == second[0]
    # An index below the last one does not turn the clock back.
    assert session.start(0).stamp > second[-1]


@pytest.mark.parametrize("which", ["episode", "step behind", "step ahead"])
def test_an_action_for_something_else_changes_nothing(session, which):
    session.start(0)
    answer(session)
    episode, step = session.waiting_for
    wrong = {
        "episode": ("5-000099", step),
        "step behind": (episode, step - 1),
        "step ahead": (episode, step + 1),
    }[which]
    with pytest.raises(StaleActionError, match="waiting for"):
        session.apply(*wrong, HOLD, space=SPACE)
    assert session.waiting_for == (episode, step)


@pytest.mark.parametrize(
    ("action", "space", "message"),
    [
        (HOLD[:-1], SPACE, r"shape \(6,\)"),
        ([*HOLD, 0.0], SPACE, r"shape \(8,\)"),
        ([np.nan, *HOLD[1:]], SPACE, "not finite in dx"),
        (HOLD, "joint_position", "started with 'delta_ee'"),
    ],
)
def test_a_wrong_action_is_refused_and_the_episode_can_go_on(session, action, space, message):
    session.start(0)
    with pytest.raises(ActionError, match=message):
        session.apply(*session.waiting_for, action, space=space)
    assert answer(session).step == 1


def test_without_an_episode_no_action_is_taken(session):
    with pytest.raises(StaleActionError, match="no episode is running"):
        session.apply("5-000000", 0, HOLD, space=SPACE)
    with pytest.raises(ActionError, match="no episode"):
        session.cut_off(Outcome.DISCARDED, "why")


def test_a_cut_off_episode_is_truncated_with_its_reason(session):
    session.start(0)
    answer(session)
    record = session.cut_off(Outcome.TRUNCATED, "operator")
    assert (record.outcome, session.reason) == (Outcome.TRUNCATED, "operator")
    assert record.onset_step == -1
    assert session.rows == 2


def test_an_episode_that_ends_in_its_idle_time_has_no_more_of_it_than_rows(session):
    while session.idle_steps < 10:
        session.start(session.plan.index + 1 if session.plan else 0)
    answer(session)
    answer(session)
    record = session.cut_off(Outcome.STOPPED, "the operator stopped the arm")
    assert record.idle_steps == session.rows == 3


def test_so_has_one_that_a_push_ends(environment):
    """Found in a collection; here by pushes at full severity."""
    session = Session(environment, single_family_mix("external_push", Severity(low=1.0)), 7)
    session.start(20)
    idle = session.idle_steps
    while answer(session) is not None:
        pass
    record = session.record
    assert record.outcome is Outcome.FAILURE
    assert record.idle_steps == session.rows < idle


def test_an_index_that_no_stamp_is_left_for_is_refused_and_the_episode_goes_on(session):
    session.start(0)
    for index in (10**9, -1):
        with pytest.raises(FormatError, match=f"index is {index}; give 0 to"):
            session.start(index)
    assert answer(session).step == 1
