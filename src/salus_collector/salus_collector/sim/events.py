"""The events of an episode: a state machine over the facts of each control step.

No simulator in it: another environment uses the same rules by filling `StepFacts` from its own
bodies. docs/EVENTS.md explains the rules. Every event is a candidate first, dated at its onset;
what follows confirms or cancels it. The confirmed event with the earliest onset ends the episode.
"""

from dataclasses import dataclass, replace

import numpy as np

from salus_collector.sim.candidates import CollisionRule, DropRule, MissRule, SuccessRule
from salus_collector.sim.facts import StepFacts
from salus_collector.sim.report import EventReport
from salus_collector.sim.rules import EventRules
from salus_data.types import FailureType, Outcome


@dataclass(frozen=True)
class EventUpdate:
    """What one step changed.

    Attributes:
        event: the event that ends the episode, confirmed; None while it goes on.
        onset: the candidate that appeared at this step, the earliest if several did. A drop over
            the goal is not announced: it is what a correct release looks like.
        milestones: names of the milestones reached for the first time at this step.
    """

    event: EventReport | None = None
    onset: EventReport | None = None
    milestones: tuple[str, ...] = ()


class EventMonitor:
    """Applies the rules to one episode at a time.

    Attributes:
        held: the object is held: both fingers have it, and it has been lifted.
        ever_held: it has been held in this episode.
        milestones: (name, row) of every milestone reached so far.
        stall_frozen: while set, the stall clock stands (the supervisor holds the robot).
    """

    def __init__(self, rules: EventRules) -> None:
        self.rules = rules
        self.reset()

    def reset(self, idle_steps: int = 0) -> None:
        """Begin an episode whose stall clock starts after `idle_steps` steps."""
        self.held = self.ever_held = False
        self.milestones: tuple[tuple[str, int], ...] = ()
        self.stall_frozen = False
        self._idle_steps = idle_steps
        self._stalled = 0
        self._collision = CollisionRule(self.rules)
        self._drop = DropRule(self.rules)
        self._miss = MissRule(self.rules)
        self._success = SuccessRule(self.rules)
        self._confirmed: list[EventReport] = []

    @property
    def pending(self) -> tuple[EventReport, ...]:
        """The candidates that are neither confirmed nor cancelled."""
        rules = (self._collision, self._drop, self._miss, self._success)
        return tuple(rule.candidate for rule in rules if rule.candidate is not None)

    def would_hold(self, fingers: int, clearance: float) -> bool:
        """Whether the object is held after a step that ends with these facts."""
        up = clearance >= self.rules.lift_clearance
        if self.held or self._drop.candidate is not None:
            # Held, or caught again in the air, if only by one finger: its next loss counts. One
            # finger may also still drag what has slipped to the table; two have put it down.
            return fingers > 0 and (up or fingers < 2)
        return up and fingers == 2

    def update(self, facts: StepFacts) -> EventUpdate:
        """Take in one control step, in order."""
        held_before = self.held
        self.held = self.would_hold(int(facts.fingers[-1]), facts.clearance)
        self.ever_held |= self.held
        known = {_identity(event) for event in self._candidates()}
        force = facts.robot_force
        if held_before:
            force = np.maximum(force, facts.object_force)
        confirmed = [
            self._collision.update(facts, force),
            self._drop.update(facts, held_before),
            self._miss.update(facts, blocked=self.held or self._drop.candidate is not None),
            self._success.update(facts),
        ]
        reached = self._reach(facts)
        confirmed.append(self._stall(facts, progress=bool(reached)))
        self._confirmed += [event for event in confirmed if event is not None]
        new = [event for event in self._candidates() if _identity(event) not in known]
        if facts.over_goal:
            # Every correct release begins as a drop; only where it lands tells.
            new = [event for event in new if event.failure_type != FailureType.DROP]
        return EventUpdate(
            event=self._decide(facts.step),
            onset=min(new, key=_onset, default=None),
            milestones=reached,
        )

    def end_at_limit(self, step: int) -> EventReport:
        """The report of an episode that the step limit cuts off at row `step`.

        A confirmed event that was still waiting for an earlier candidate wins over the limit.
        """
        if self._confirmed:
            return replace(min(self._confirmed, key=_onset), confirm_step=step)
        time = step * self.rules.step_period
        if self.rules.limit_is_timeout:
            return EventReport(
                Outcome.FAILURE, FailureType.TIMEOUT, step, step, time, timeout_kind="limit"
            )
        return EventReport(Outcome.TRUNCATED, confirm_step=step, reason="step limit")

    def _candidates(self) -> tuple[EventReport, ...]:
        """The events of the episode so far that have not been cancelled."""
        return (*self.pending, *self._confirmed)

    def _reach(self, facts: StepFacts) -> tuple[str, ...]:
        if not facts.milestones:
            return ()
        before = {name for name, _ in self.milestones}
        reached = tuple(name for name in facts.milestones if name not in before)
        self.milestones += tuple((name, facts.step) for name in reached)
        return reached

    def _stall(self, facts: StepFacts, *, progress: bool) -> EventReport | None:
        if self.rules.limit_is_timeout or facts.step <= self._idle_steps:
            return None
        if progress:
            self._stalled = 0
        elif not self.stall_frozen:
            self._stalled += 1
            if self._stalled == self.rules.stall_steps:
                time = facts.step * self.rules.step_period
                return EventReport(
                    Outcome.FAILURE,
                    FailureType.TIMEOUT,
                    facts.step,
                    facts.step,
                    time,
                    timeout_kind="stall",
                )
        return None

    def _decide(self, step: int) -> EventReport | None:
        if not self._confirmed:
            return None
        first = min(self._confirmed, key=_onset)
        waited = step - min(event.confirm_step for event in self._confirmed)
        earlier = any(_onset(candidate) < _onset(first) for candidate in self.pending)
        if earlier and waited < self.rules.patience_steps:
            return None
        # The recording ends here: these are the steps that confirmed it.
        return replace(first, confirm_step=step)


def _identity(event: EventReport) -> tuple[Outcome, int, float]:
    """What stays the same of a candidate while it grows."""
    return event.outcome, event.failure_type, event.onset_time


def _onset(event: EventReport) -> float:
    return event.onset_time
