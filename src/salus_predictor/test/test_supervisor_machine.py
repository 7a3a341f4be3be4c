"""The state machine: laws that hold for every sequence of inputs, and the paths people take."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from salus_data.types import SupervisorStatus as Status
from salus_predictor.supervisor.intervention import Demand, Intervention
from salus_predictor.supervisor.machine import Machine, Manual, RequestRefusedError

LIMIT = 6
ASKED = {
    Intervention.WARN: Status.NORMAL,
    Intervention.SLOW: Status.SLOWED,
    Intervention.REPLAN: Status.HOLDING,
    Intervention.HOLD: Status.HOLDING,
    Intervention.REGRASP: Status.RETREATING,
    Intervention.RETREAT: Status.RETREATING,
    Intervention.STOP: Status.STOPPED,
}
demands = st.one_of(
    st.none(),
    st.builds(
        Demand,
        st.sampled_from(list(ASKED)),
        st.sampled_from(["collision", "drop"]),
        st.integers(1, 3),
    ),
)


class Laws(RuleBasedStateMachine):
    """Any inputs and any requests, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine(LIMIT)
        self.before = (Status.NORMAL, "")
        self.held = 0
        self.stop_acknowledged = False

    def _note(self) -> None:
        self.before = (self.machine.state, self.machine.reason)

    @rule(demand=demands, fault=st.sampled_from(["", "", "no forecast"]), over=st.booleans())
    def step(self, demand: Demand | None, fault: str, over: bool) -> None:
        before, reason = self.machine.state, self.machine.reason
        manual, by_operator = self.machine.manual, self.stop_acknowledged
        state = self.machine.step(demand, fault, retreat_over=over)
        assert state is self.machine.state
        asked = Status.NORMAL if demand is None else ASKED[demand.intervention]
        if before is Status.STOPPED:
            assert state is Status.STOPPED, "a stop ends by acknowledgement alone"
        elif manual is Manual.PASS_THROUGH:
            assert state is Status.NORMAL
        elif manual is Manual.STOP or asked is Status.STOPPED:
            assert state is Status.STOPPED
        elif fault or manual is Manual.HOLD:
            assert state in (Status.HOLDING, Status.STOPPED), "what may not be trusted never moves"
        elif by_operator:
            assert state >= Status.HOLDING, "an acknowledged stop waits for resume"
        elif state is not Status.STOPPED:
            retreated = asked is Status.RETREATING and state is Status.HOLDING
            assert state is asked or retreated
        if state is before:
            assert self.machine.reason == reason, "the first reason of a state is kept"
        if state in (Status.NORMAL, Status.STOPPED):
            self.stop_acknowledged = False
        self.held = self.held + 1 if state is Status.HOLDING else 0
        if manual is Manual.HOLD or self.stop_acknowledged:
            self.held = 0
        assert self.held <= LIMIT, "a hold that nobody asked to keep becomes a stop"
        self._note()

    @rule(manual=st.sampled_from(list(Manual)), reason=st.sampled_from(["", "tea break"]))
    def take_over(self, manual: Manual, reason: str) -> None:
        stopped = self.machine.state is Status.STOPPED
        try:
            self.machine.take_over(manual, reason)
        except RequestRefusedError:
            assert (stopped, manual) == (True, Manual.PASS_THROUGH)
            return
        if manual is Manual.STOP:
            assert self.machine.state is Status.STOPPED
            self.stop_acknowledged = False
        self._note()

    @rule()
    def acknowledge(self) -> None:
        state, manual = self.machine.state, self.machine.manual
        try:
            self.machine.acknowledge()
        except RequestRefusedError:
            assert state is not Status.STOPPED or manual is Manual.STOP
            return
        assert state is Status.STOPPED
        assert self.machine.state is Status.HOLDING
        self.stop_acknowledged, self.held = True, 0
        self._note()

    @rule()
    def resume(self) -> None:
        state = self.machine.state
        try:
            self.machine.resume()
        except RequestRefusedError:
            assert self.machine.state is state
            return
        assert self.stop_acknowledged
        self.stop_acknowledged = False

    @precondition(lambda self: self.machine.manual is not Manual.STOP)
    @rule()
    def begin(self) -> None:
        self.machine.begin()
        assert self.machine.state is Status.NORMAL
        self.stop_acknowledged, self.held = False, 0
        self._note()

    @invariant()
    def a_state_has_a_reason_and_normal_has_none(self) -> None:
        assert bool(self.machine.reason) == (self.machine.state is not Status.NORMAL)

    @invariant()
    def nothing_changes_between_the_calls(self) -> None:
        assert (self.machine.state, self.machine.reason) == self.before


TestLaws = Laws.TestCase
TestLaws.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def demand(what: str, activation: int = 1, reason: str = "collision ahead") -> Demand:
    return Demand(Intervention[what], reason, activation)


def test_a_hold_ends_with_its_cause() -> None:
    machine = Machine(LIMIT)
    assert machine.step(demand("HOLD")) is Status.HOLDING
    assert machine.step(None) is Status.NORMAL


def test_the_stop_after_a_long_hold_names_what_it_was_held_for() -> None:
    machine = Machine(3)
    for _ in range(3):
        machine.step(None, "no forecast for step 12")
    assert machine.state is Status.STOPPED
    assert machine.reason == "held too long: no forecast for step 12"


def test_a_stop_is_acknowledged_then_resumed() -> None:
    machine = Machine(LIMIT)
    machine.step(demand("STOP"))
    with pytest.raises(RequestRefusedError, match="acknowledge first"):
        machine.resume()
    machine.acknowledge()
    assert machine.step(None) is Status.HOLDING
    machine.resume()
    assert machine.step(None) is Status.NORMAL


def test_no_resume_while_the_cause_is_there() -> None:
    machine = Machine(LIMIT)
    machine.step(demand("STOP"))
    machine.acknowledge()
    machine.step(None, "no forecast for step 3")
    with pytest.raises(RequestRefusedError, match="no forecast for step 3"):
        machine.resume()


def test_a_retreat_that_is_over_holds_and_is_not_begun_again() -> None:
    machine = Machine(LIMIT)
    assert machine.step(demand("RETREAT")) is Status.RETREATING
    assert machine.step(demand("RETREAT"), retreat_over=True) is Status.HOLDING
    assert machine.step(demand("RETREAT")) is Status.HOLDING
    assert machine.step(demand("RETREAT", activation=2)) is Status.RETREATING


def test_the_operators_stop_outlives_the_episode_until_released() -> None:
    machine = Machine(LIMIT)
    machine.take_over(Manual.STOP, "cable loose")
    machine.begin()
    assert machine.step(None) is Status.STOPPED
    assert "cable loose" in machine.reason
    with pytest.raises(RequestRefusedError, match="release"):
        machine.acknowledge()
    machine.take_over(Manual.NONE, "")
    machine.acknowledge()


def test_the_operators_hold_lasts_as_long_as_it_is_kept() -> None:
    machine = Machine(2)
    machine.take_over(Manual.HOLD, "look")
    assert [machine.step(None) for _ in range(9)] == [Status.HOLDING] * 9
    machine.take_over(Manual.NONE, "")
    assert machine.step(None) is Status.NORMAL
