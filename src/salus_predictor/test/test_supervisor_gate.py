"""The gate: what it waits for, what it does when that does not come, and what it never does."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from supervision import PERIOD, SECOND, Episode, contract

from salus_data.action_space import DELTA_EE, JOINT_POSITION
from salus_data.types import SupervisorStatus as Status
from salus_predictor.supervisor.core import Mode
from salus_predictor.supervisor.failsafe import CALM_STEPS
from salus_predictor.supervisor.gate import Patience
from salus_predictor.supervisor.machine import Manual
from salus_predictor.supervisor.risk import RiskLevel
from salus_predictor.supervisor.slots import KEPT, Proposal

ALARM = RiskLevel.ALARM


def test_a_step_needs_its_own_proposal_and_its_own_forecast() -> None:
    episode = Episode()
    episode.step(0)
    episode.observe(1)
    episode.propose(1)
    assert len(episode.released) == 1
    episode.forecast(0)
    episode.forecast(2)
    assert len(episode.released) == 1
    episode.forecast(1)
    assert [r.step for r in episode.released] == [0, 1]
    assert episode.states == "NN"
    np.testing.assert_array_equal(episode.last.ruling.action, np.full(7, 0.01))


@given(st.permutations(["observe", "propose", "forecast"]))
def test_the_order_of_the_messages_does_not_matter(order: list[str]) -> None:
    episode = Episode()
    for step in range(3):
        for message in order:
            getattr(episode, message)(step, *([ALARM] if message == "forecast" and step else []))
    assert episode.states == "NHH"


def test_an_alarm_holds_the_very_step_it_is_about() -> None:
    episode = Episode()
    episode.step(0)
    episode.step(1, ALARM)
    assert episode.states == "NH"
    assert episode.last.ruling.action is not None
    np.testing.assert_array_equal(episode.last.ruling.action[:6], 0)
    assert "collision 0.10 within 1.00 s" in episode.last.ruling.reason


def test_a_dead_predictor_holds_at_once_then_stops() -> None:
    episode = Episode(patience=Patience(forecast=2.0, lost=0.1))
    episode.step(0)
    for step in range(1, 15):
        episode.observe(step)
        episode.propose(step)
        assert len(episode.released) == step, "nothing moves before it is given up"
        episode.wait(2.0 if step == 1 else 0.1)
    assert episode.states == "N" + "H" * 9 + "S" * 5
    assert episode.released[1].ruling.reason == "no forecast for step 1"
    assert episode.last.ruling.reason == "held too long: no forecast for step 1"


def test_a_predictor_that_is_back_is_waited_for_again() -> None:
    episode = Episode(patience=Patience(forecast=2.0, lost=0.1))
    episode.step(0)
    episode.observe(1)
    episode.propose(1)
    episode.wait(2.0)
    episode.forecast(1)  # late, but alive
    episode.observe(2)
    episode.propose(2)
    episode.wait(1.0)
    assert len(episode.released) == 2
    episode.forecast(2)
    assert episode.states == "NHN"
    assert episode.gate.counts["late_forecasts"] == 1


def test_a_dead_policy_holds_with_the_hand_as_it_was() -> None:
    episode = Episode(patience=Patience(proposal=5.0, lost=0.1))
    episode.step(0)
    episode.observe(1)
    episode.wait(4.9)
    assert len(episode.released) == 1
    episode.wait(0.2)
    assert episode.states == "NH"
    assert episode.last.ruling.reason == "no proposed action for step 1"
    np.testing.assert_array_equal(episode.last.ruling.action, [0] * 6 + [0.01])


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.PASS_THROUGH])
def test_without_the_right_to_act_nothing_is_invented(mode: Mode) -> None:
    episode = Episode(mode=mode)
    episode.step(0)
    episode.observe(1)
    for _ in range(100):
        episode.wait(1.0)
    assert len(episode.released) == 1
    episode.propose(1)
    episode.wait(10.0)
    assert episode.states == "NN"


def test_shadow_tells_and_changes_nothing() -> None:
    episode = Episode(mode=Mode.SHADOW)
    for step, level in enumerate([RiskLevel.NORMAL, ALARM, ALARM, RiskLevel.NORMAL]):
        episode.step(step, level)
    assert episode.states == "NNNN"
    assert episode.would_be == "NHHN"
    assert {r.ruling.action.tobytes() for r in episode.released} == {np.full(7, 0.01).tobytes()}


@pytest.mark.parametrize(("calibrated", "expected"), [(True, "NHN"), (False, "NNN")])
def test_auto_acts_only_for_a_model_calibrated_on_this_policy(
    calibrated: bool, expected: str
) -> None:
    episode = Episode(mode=None)
    for step, level in enumerate([RiskLevel.NORMAL, ALARM, RiskLevel.NORMAL]):
        episode.step(step, level, calibrated=calibrated)
    assert episode.states == expected


def test_without_a_model_actions_pass_at_once_and_bit_by_bit() -> None:
    episode = Episode(mode=Mode.PASS_THROUGH)
    proposed = np.array([0.3, 1e-17, -0.0, 0.1, 0.2, 0.3, 0.77])
    episode.propose(0, proposed)
    assert episode.last.ruling.action.tobytes() == proposed.tobytes()
    assert episode.last.ruling.status is Status.NORMAL


def test_proposals_pass_however_late_the_observations_come_here() -> None:
    episode = Episode(mode=Mode.PASS_THROUGH)
    episode.observe(0)
    for step in range(20):
        episode.propose(step)
        episode.observe(step)
    assert [r.step for r in episode.released] == list(range(20))


@pytest.mark.parametrize("values", [[np.nan] * 7, [0.1] * 6, [np.inf] * 7])
def test_a_broken_proposal_is_never_executed(values: list[float]) -> None:
    for mode in (Mode.PASS_THROUGH, Mode.SHADOW):
        episode = Episode(mode=mode)
        episode.observe(0)
        episode.propose(0, values)
        episode.forecast(0)
        assert episode.last.ruling.action is None
        assert "proposed action" in episode.last.ruling.problem
    episode = Episode()
    episode.observe(0)
    episode.propose(0, values)
    episode.forecast(0)
    assert episode.states == "H"
    assert np.isfinite(episode.last.ruling.action).all()


def test_an_action_of_another_space_is_never_executed() -> None:
    episode = Episode()
    episode.observe(0)
    foreign = Proposal(np.zeros(8), JOINT_POSITION.name)
    episode.keep(episode.gate.on_proposal(episode.stamp(0), episode.name, 0, foreign, 0.0))
    episode.forecast(0)
    assert episode.states == "H"
    assert "joint_position" in episode.last.ruling.reason
    assert episode.last.ruling.action.shape == (7,)


def test_a_stale_forecast_holds_and_says_why() -> None:
    episode = Episode()
    episode.step(0)
    episode.step(1, stale="gripper_gap is NaN")
    episode.step(2)
    assert episode.states == "NHN"
    assert episode.released[1].ruling.reason == "stale forecast: gripper_gap is NaN"


def test_a_robot_that_does_not_know_where_it_is_holds() -> None:
    episode = Episode()
    episode.observe(0, joints=np.full(27, np.nan))
    episode.propose(0)
    episode.forecast(0)
    assert episode.states == "H"
    assert "not finite" in episode.last.ruling.reason


@pytest.mark.parametrize("jump", [-5.0, -0.2, 0.3, 60.0])
def test_a_clock_jump_holds_until_it_has_run_well_again(jump: float) -> None:
    episode = Episode(config=Episode().config.model_copy(update={"hold_limit": 9.0}))
    for step in range(3):
        episode.step(step)
    for step in range(3, 3 + CALM_STEPS + 2):
        stamp = episode.stamp(step) + round(jump * SECOND)
        episode.observe(step, stamp=stamp)
        episode.propose(step, stamp=stamp)
        episode.forecast(step)
    assert episode.states == "NNN" + "H" * (CALM_STEPS) + "NN"
    assert "clock" in episode.released[3].ruling.reason


def test_a_contract_that_changes_holds_until_the_next_episode() -> None:
    episode = Episode()
    episode.step(0)
    episode.keep(episode.gate.on_contract(contract(JOINT_POSITION), episode.now))
    episode.step(1)
    assert episode.states == "NH"
    assert "contract changed" in episode.last.ruling.reason
    assert episode.last.ruling.action.shape == (7,), "what the old contract says a hold is"
    episode.gate.on_episode(episode.name, running=False, now=episode.now)
    episode.name, episode.space = "0-000001", JOINT_POSITION
    episode.keep(episode.gate.on_episode(episode.name, running=True, now=episode.now))
    episode.step(0)
    assert episode.states == "NHN"


def test_the_same_contract_again_changes_nothing() -> None:
    episode = Episode()
    episode.step(0)
    episode.keep(episode.gate.on_contract(contract(DELTA_EE), episode.now))
    episode.step(1)
    assert episode.states == "NN"


def test_a_flood_and_old_messages_move_nothing() -> None:
    episode = Episode()
    episode.step(0)
    episode.observe(1)
    for k in range(10 * KEPT):
        episode.propose(100 + k, np.full(7, 0.02), stamp=SECOND * (50 + k))
        episode.propose(0, np.full(7, 0.02))
        episode.forecast(100 + k, ALARM)
    assert len(episode.released) == 1
    episode.propose(1)
    episode.propose(1, np.full(7, 0.02))
    episode.forecast(1)
    assert [r.step for r in episode.released] == [0, 1]
    np.testing.assert_array_equal(episode.last.ruling.action, np.full(7, 0.01))
    assert episode.gate.counts["late_messages"] > 0


def test_messages_of_an_earlier_episode_do_not_bring_it_back() -> None:
    episode = Episode()
    episode.step(0)
    old, episode.name = episode.name, "0-000001"
    episode.step(0)
    episode.keep(episode.gate.on_observation(5, old, 1, 0.0))
    episode.keep(episode.gate.on_proposal(5, old, 1, Proposal(np.zeros(7), DELTA_EE.name), 0.0))
    assert episode.gate.episode == "0-000001"
    assert [(r.episode, r.step) for r in episode.released] == [(old, 0), ("0-000001", 0)]


def test_a_new_episode_begins_in_normal() -> None:
    episode = Episode()
    for step in range(15):
        episode.observe(step)
        episode.propose(step)
        episode.wait(3.0)
    assert episode.states[-1] == "S"
    episode.name = "0-000001"
    episode.keep(episode.gate.on_episode(episode.name, running=True, now=episode.now))
    episode.step(0)
    assert episode.states[-1] == "N"


def test_the_operator_can_hold_and_stop_without_a_model_too() -> None:
    episode = Episode(mode=Mode.PASS_THROUGH)
    episode.observe(0)
    episode.propose(0)
    assert episode.gate.machine is not None
    episode.gate.machine.take_over(Manual.HOLD, "look")
    episode.observe(1)
    episode.propose(1)
    episode.gate.machine.take_over(Manual.STOP, "enough")
    episode.observe(2)
    episode.propose(2)
    episode.gate.machine.take_over(Manual.NONE, "")
    episode.observe(3)
    episode.propose(3)
    assert episode.states == "NHSS"
    assert "enough" in episode.last.ruling.reason


def test_the_operator_can_let_everything_through() -> None:
    episode = Episode()
    assert episode.gate.machine is not None
    episode.gate.machine.take_over(Manual.PASS_THROUGH, "I watch it myself")
    episode.step(0, ALARM)
    episode.step(1, stale="no model")
    assert episode.states == "NN"


def test_realtime_uses_a_young_forecast_and_holds_on_an_old_one() -> None:
    patience = Patience(lockstep=False, proposal=0.05, forecast_age=2 * PERIOD)
    episode = Episode(patience=patience)
    for step in range(3):
        episode.observe(step)
        episode.propose(step)
        episode.forecast(step)
    assert episode.states == "NNN"
    for step in range(3, 7):  # the predictor is silent from here on
        episode.observe(step)
        episode.propose(step)
    assert episode.states == "NNN" + "NN" + "HH"
    assert "3 steps old" in episode.last.ruling.reason


def test_realtime_holds_when_the_action_does_not_come() -> None:
    episode = Episode(patience=Patience(lockstep=False, proposal=0.05, forecast_age=1.0))
    episode.observe(0)
    episode.propose(0)
    episode.forecast(0)
    episode.observe(1)
    episode.wait(0.04)
    assert episode.states == "N"
    episode.wait(0.02)
    assert episode.states == "NH"
    episode.propose(1)  # too late
    assert len(episode.released) == 2


def test_a_posture_that_is_no_number_holds_without_waiting_for_the_policy() -> None:
    episode = Episode()
    episode.step(0)
    episode.observe(1, joints=np.full(27, np.nan))
    assert episode.states == "NH"
    assert "not finite at step 1" in episode.last.ruling.reason


def test_who_was_waited_for_in_vain_gets_a_new_chance_in_the_next_episode() -> None:
    episode = Episode(patience=Patience(forecast=2.0, lost=0.1))
    episode.observe(0)
    episode.propose(0)
    episode.wait(3.0)
    assert episode.states == "H"
    episode.name = "next"
    episode.keep(episode.gate.on_episode("next", running=True, now=episode.now))
    episode.observe(0)
    episode.propose(0)
    episode.wait(1.0)
    episode.forecast(0)
    assert episode.states == "HN"


FAULTS = ("none", "no forecast", "stale", "no proposal", "nan", "clock", "nan joints")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([DELTA_EE, JOINT_POSITION]),
    st.lists(st.sampled_from(FAULTS), min_size=1, max_size=25),
)
def test_whatever_fails_the_arm_holds_in_that_very_step(space: object, faults: list[str]) -> None:
    episode = Episode(space=space)  # type: ignore[arg-type]
    measured = np.linspace(-0.3, 0.2, 27)
    shift = 0
    for step, fault in enumerate(faults):
        shift += SECOND if fault == "clock" and step else 0
        stamp = episode.stamp(step) + shift
        nan_joints = fault == "nan joints"
        joints = np.full(27, np.nan) if nan_joints else measured
        episode.observe(step, stamp=stamp, joints=joints)
        if fault != "no proposal":
            values = np.full(episode.space.size, np.nan if fault == "nan" else 0.02)
            episode.propose(step, values, stamp=stamp)
        if fault != "no forecast":
            episode.forecast(step, stale="a reason" if fault == "stale" else "")
        episode.wait(20.0)
        assert len(episode.released) == step + 1
        ruling = episode.last.ruling
        if fault == "none" or (fault == "clock" and not step):
            continue
        assert ruling.status in (Status.HOLDING, Status.STOPPED)
        if ruling.action is None:
            assert space is JOINT_POSITION, "nothing is sent where no hold can be made"
            assert nan_joints
        elif space is DELTA_EE:
            np.testing.assert_array_equal(ruling.action[:6], 0)
        else:
            limits = episode.space
            expected = np.clip(measured[:7], limits.low[:7], limits.high[:7])
            np.testing.assert_array_equal(ruling.action[:7], expected)
    for before, after in itertools.pairwise(episode.released):
        assert after.step == before.step + 1
