"""The event rules alone: facts in, events out."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus_collector.sim.events import EventMonitor
from salus_collector.sim.facts import StepFacts
from salus_collector.sim.rules import EventRules
from salus_data.types import FailureType, Outcome

S = 8
RULES = EventRules()


def forces(*values):
    return np.array([*values, *[0.0] * (S - len(values))])


def facts(step, **changes):
    """A step in which the open gripper hangs far from an object at rest on the table."""
    base = StepFacts(
        step=step,
        robot_force=np.zeros(S),
        object_force=np.zeros(S),
        fingers=np.zeros(S, np.int64),
        clearance=0.0,
        landed=True,
        in_goal=False,
        object_speed=0.0,
        object_width=0.04,
        opening=0.08,
        opening_speed=0.0,
        closing=False,
        gripper=np.array([0.5, 0.0, 0.3]),
        reach=0.5,
    )
    return replace(base, **changes)


def touching(count):
    return np.full(S, count, np.int64)


HELD = {
    "fingers": touching(2),
    "clearance": 0.1,
    "landed": False,
    "closing": True,
    "opening": 0.04,
    "reach": 0.01,
}
FALLING = {"clearance": 0.1, "landed": False, "object_speed": 1.0, "closing": True, "reach": 0.1}
CLOSED_BESIDE = {
    "closing": True,
    "opening": 0.01,
    "opening_speed": -0.1,
    "reach": 0.05,
    "gripper": np.array([0.5, 0.0, 0.03]),
}


def run(sequence, monitor=None):
    """The updates of a list of changes, one a step."""
    monitor = monitor or EventMonitor(RULES)
    return [
        monitor.update(facts(step, **changes)) for step, changes in enumerate(sequence, start=1)
    ]


def test_collision_is_dated_at_the_first_substep_over_the_threshold():
    updates = run([{}, {"robot_force": np.full(S, 200.0) * (np.arange(S) >= 5)}, {}])
    assert updates[0].event is None
    event = updates[1].event
    assert event.failure_type == FailureType.COLLISION
    assert event.onset_step == 2
    assert event.onset_time == pytest.approx((1 + 6 / 8) / 30)


def test_a_brush_of_one_substep_is_no_collision():
    updates = run([{"robot_force": forces(0, 0, 150.0)}, *[{}] * 10])
    assert updates[0].onset is not None
    assert all(update.event is None for update in updates)


def test_steady_force_at_the_threshold_is_none_and_just_above_is_one():
    assert all(u.event is None for u in run([{"robot_force": np.full(S, 20.0)}] * 20))
    updates = run([{"robot_force": np.full(S, 21.0)}] * 4)
    (event,) = [u.event for u in updates if u.event][:1]
    assert (event.onset_step, event.confirm_step) == (1, 3)
    assert event.onset_time == pytest.approx(1 / 240)


def test_only_a_held_object_collides_with_the_obstacle():
    hit = {"object_force": np.full(S, 100.0)}
    assert all(u.event is None for u in run([hit] * 5))
    event = run([HELD, HELD | hit])[-1].event
    assert event.failure_type == FailureType.COLLISION


def test_drop_is_dated_at_the_lost_contact_and_confirmed_by_the_landing():
    lost = np.array([2, 2, 1, 0, 0, 0, 0, 0])
    updates = run([HELD, HELD, HELD | {"fingers": lost}, FALLING, FALLING, {"object_speed": 1.0}])
    assert updates[2].onset.onset_step == 3
    assert all(u.event is None for u in updates[:-1])
    event = updates[-1].event
    assert event.failure_type == FailureType.DROP
    assert (event.onset_step, event.confirm_step) == (3, 6)
    assert event.onset_time == pytest.approx((2 + 4 / 8) / 30)


def test_a_caught_object_was_not_dropped():
    updates = run([HELD, FALLING, FALLING, HELD, HELD, *[HELD] * 5])
    assert updates[1].onset is not None
    assert all(u.event is None for u in updates)


def test_an_object_caught_by_one_finger_and_lost_again_is_dropped_the_second_time():
    dangling = HELD | {"fingers": touching(1)}
    updates = run([HELD, FALLING, dangling, dangling, FALLING, {"object_speed": 1.0}])
    assert [u.onset is not None for u in updates] == [False, True, False, False, True, False]
    assert updates[-1].event.onset_step == 5


def test_an_object_that_brushes_a_finger_as_it_lands_has_landed():
    landing = {"object_speed": 1.0, "fingers": touching(1)}
    event = run([HELD, FALLING, landing])[-1].event
    assert (event.failure_type, event.onset_step) == (FailureType.DROP, 2)


def test_letting_go_into_the_goal_is_a_success_and_no_drop():
    inside = {"in_goal": True, "landed": False, "closing": False, "clearance": 0.008}
    updates = run([HELD, FALLING, inside, inside, inside])
    event = updates[-1].event
    assert event.outcome == Outcome.SUCCESS
    assert event.failure_type == -1
    assert (event.onset_step, event.confirm_step) == (3, 5)


def test_a_release_over_the_goal_is_not_announced_but_counts_if_it_bounces_out():
    over = FALLING | {"over_goal": True}
    updates = run([HELD, over, over, FALLING, {"object_speed": 1.0}])
    assert all(u.onset is None for u in updates)
    assert (updates[-1].event.failure_type, updates[-1].event.onset_step) == (FailureType.DROP, 2)


def test_putting_the_object_down_is_no_drop():
    down = HELD | {"clearance": 0.0, "landed": True}
    monitor = EventMonitor(RULES)
    updates = run([HELD, down, {"fingers": touching(1)}, *[{}] * 5], monitor)
    assert monitor.ever_held
    assert not monitor.held
    assert all(u.event is None and u.onset is None for u in updates)


def test_miss_is_dated_at_the_closure_and_confirmed_when_the_gripper_leaves():
    up = CLOSED_BESIDE | {"gripper": np.array([0.5, 0.0, 0.12])}
    updates = run([CLOSED_BESIDE | {"opening": 0.05}, CLOSED_BESIDE, CLOSED_BESIDE, up])
    assert updates[0].onset is None
    event = updates[-1].event
    assert event.failure_type == FailureType.MISS
    assert (event.onset_step, event.confirm_step) == (2, 4)


def test_a_second_attempt_that_grasps_is_no_miss():
    again = {"closing": False, "reach": 0.03, "gripper": np.array([0.5, 0.02, 0.03])}
    grasp = HELD | {"clearance": 0.0, "landed": True, "gripper": np.array([0.5, 0.03, 0.03])}
    lifted = HELD | {"gripper": np.array([0.5, 0.03, 0.2])}
    updates = run([CLOSED_BESIDE, again, grasp, lifted, lifted])
    assert updates[0].onset is not None
    assert all(u.event is None for u in updates)


def test_closing_far_from_the_object_is_no_attempt():
    far = CLOSED_BESIDE | {"reach": 0.3}
    up = far | {"gripper": np.array([0.5, 0.0, 0.3])}
    assert all(u.event is None and u.onset is None for u in run([far, far, up]))


def test_fingers_that_stopped_before_the_object_width_have_closed():
    stuck = CLOSED_BESIDE | {"opening": 0.06, "opening_speed": 0.0}
    updates = run([stuck, stuck, stuck])
    assert [u.onset is not None for u in updates] == [False, False, True]


def test_timeout_when_the_budget_runs_out_after_the_last_milestone():
    monitor = EventMonitor(RULES)
    monitor.reset(idle_steps=10)
    sequence = [*[{}] * 29, {"milestones": ("reach",)}, *[{}] * 60]
    updates = run(sequence, monitor)
    assert updates[29].milestones == ("reach",)
    assert all(u.event is None for u in updates[:-1])
    event = updates[-1].event
    assert event.failure_type == FailureType.TIMEOUT
    assert event.timeout_kind == "stall"
    assert event.onset_step == event.confirm_step == 90


def test_idle_time_is_not_charged_to_the_budget():
    monitor = EventMonitor(RULES)
    monitor.reset(idle_steps=25)
    updates = run([{}] * 85, monitor)
    assert [u.event is not None for u in updates].index(True) == 84


def test_a_milestone_counts_once():
    updates = run([{"milestones": ("reach",)}] * 61)
    assert updates[-1].event.onset_step == 61


@given(frozen=st.integers(0, 100), before=st.integers(0, 59))
@settings(max_examples=30, deadline=None)
def test_the_stall_clock_stands_while_frozen(frozen, before):
    monitor = EventMonitor(RULES)
    assert all(u.event is None for u in run([{}] * before, monitor))
    monitor.stall_frozen = True
    for step in range(before + 1, before + frozen + 1):
        assert monitor.update(facts(step)).event is None
    monitor.stall_frozen = False
    step = before + frozen
    while (event := monitor.update(facts(step := step + 1)).event) is None:
        pass
    assert event.onset_step == 60 + frozen


def test_the_earlier_onset_wins_over_the_earlier_confirmation():
    crash = FALLING | {"robot_force": np.full(S, 200.0)}
    updates = run([HELD, FALLING, crash, FALLING, {"object_speed": 1.0}])
    assert all(u.event is None for u in updates[:-1])
    assert updates[-1].event.failure_type == FailureType.DROP
    assert updates[-1].event.onset_step == 2


def test_an_event_waits_only_so_long_for_an_earlier_candidate():
    """A gripper that closed on nothing and never leaves does not hide a collision for ever."""
    crash = CLOSED_BESIDE | {"robot_force": np.full(S, 200.0)}
    updates = run([CLOSED_BESIDE, crash, *[CLOSED_BESIDE] * 20])
    ended = next(u.event for u in updates if u.event)
    assert ended.failure_type == FailureType.COLLISION
    assert (ended.onset_step, ended.confirm_step) == (2, 2 + RULES.patience_steps)


def test_the_limit_truncates_even_with_a_candidate():
    monitor = EventMonitor(RULES)
    run([HELD, FALLING], monitor)
    assert len(monitor.pending) == 1
    event = monitor.end_at_limit(2)
    assert event.outcome == Outcome.TRUNCATED
    assert event.failure_type == -1
    assert event.onset_step == -1


def test_the_legacy_rule_makes_the_limit_a_timeout_and_drops_the_stall():
    monitor = EventMonitor(replace(RULES, limit_is_timeout=True))
    assert all(u.event is None for u in run([{}] * 200, monitor))
    event = monitor.end_at_limit(200)
    assert (event.outcome, event.timeout_kind) == (Outcome.FAILURE, "limit")
    assert event.onset_step == 200


step_changes = st.fixed_dictionaries(
    {},
    optional={
        "robot_force": st.lists(st.floats(0, 300), min_size=S, max_size=S).map(np.array),
        "object_force": st.lists(st.floats(0, 300), min_size=S, max_size=S).map(np.array),
        "fingers": st.lists(st.integers(0, 2), min_size=S, max_size=S).map(np.array),
        "clearance": st.sampled_from([0.0, 0.009, 0.011, 0.2]),
        "landed": st.booleans(),
        "in_goal": st.booleans(),
        "object_speed": st.sampled_from([0.0, 0.04, 0.06, 2.0]),
        "opening": st.floats(0, 0.08),
        "opening_speed": st.floats(-0.3, 0.3),
        "closing": st.booleans(),
        "gripper": st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=3).map(np.array),
        "reach": st.floats(0, 0.4),
        "milestones": st.sampled_from([(), ("reach",), ("grasp", "lift")]),
    },
)


@given(sequence=st.lists(step_changes, min_size=1, max_size=70))
@settings(max_examples=60, deadline=None)
def test_what_holds_of_every_event(sequence):
    """An onset lies within the step it is dated to, before its confirmation, and was announced."""
    monitor = EventMonitor(RULES)
    announced = set()
    for step, changes in enumerate(sequence, start=1):
        update = monitor.update(facts(step, **changes))
        if update.onset is not None:
            assert update.onset.onset_step <= step
            announced.add((update.onset.outcome, update.onset.failure_type))
        if (event := update.event) is not None:
            assert 1 <= event.onset_step <= event.confirm_step == step
            assert math.ceil(event.onset_time * 30 - 1e-9) == event.onset_step
            assert (event.outcome == Outcome.FAILURE) == (event.failure_type >= 0)
            assert all(pending.onset_time >= event.onset_time for pending in monitor.pending) or (
                step - event.onset_step >= RULES.patience_steps
            )
            assert announced
            return


@given(sequence=st.lists(step_changes, min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
def test_the_same_facts_give_the_same_events(sequence):
    first, second = EventMonitor(RULES), EventMonitor(RULES)
    run([{"robot_force": np.full(S, 300.0)}] * 3, second)
    second.reset()  # nothing of an earlier episode may remain
    assert run(sequence, first) == run(sequence, second)
