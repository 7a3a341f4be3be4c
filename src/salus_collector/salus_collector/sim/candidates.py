"""One rule for each event that has to be confirmed: when it begins, what confirms or cancels it."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from salus_collector.sim.facts import StepFacts
from salus_collector.sim.report import EventReport
from salus_collector.sim.rules import EventRules
from salus_data.types import FailureType, Outcome

Array = NDArray[np.float64]


def _time(rules: EventRules, facts: StepFacts, substep: int) -> float:
    """Seconds from row 0 to the end of `substep` of the step that leads to row facts.step."""
    return (facts.step - 1 + (substep + 1) / len(facts.fingers)) * rules.step_period


@dataclass
class CollisionRule:
    """A contact above the threshold whose impulse in the following window is large enough."""

    rules: EventRules
    candidate: EventReport | None = None
    _impulse: float = 0.0
    _substeps: int = 0

    def update(self, facts: StepFacts, force: Array) -> EventReport | None:
        """Take in a step's forces (S,) [N]; return the collision once it is confirmed."""
        if self.candidate is None and force.max() <= self.rules.collision_force:
            return None
        duration = self.rules.step_period / len(force)
        window = round(self.rules.collision_window / duration)
        for substep, value in enumerate(force):
            if self.candidate is None:
                if value <= self.rules.collision_force:
                    continue
                self.candidate = EventReport(
                    Outcome.FAILURE,
                    FailureType.COLLISION,
                    facts.step,
                    onset_time=_time(self.rules, facts, substep),
                    bodies=facts.bodies,
                    force=float(value),
                )
                self._impulse, self._substeps = 0.0, 0
            self._impulse += float(value) * duration
            self._substeps += 1
            if value > self.candidate.force:
                self.candidate = replace(self.candidate, force=float(value))
            if self._impulse >= self.rules.collision_impulse:
                peak = max(self.candidate.force, float(force[substep:].max()))
                event = replace(self.candidate, confirm_step=facts.step, force=peak)
                self.candidate = None
                return event
            if self._substeps >= window:
                self.candidate = None
        return None


@dataclass
class DropRule:
    """A held object that loses its last finger contact and comes to rest outside the goal."""

    rules: EventRules
    candidate: EventReport | None = None
    _resting: int = 0

    def update(self, facts: StepFacts, held_before: bool) -> EventReport | None:
        """Take in a step; `held_before`: the object was held at its beginning."""
        if self.candidate is None and not held_before:
            return None
        touching = facts.fingers > 0
        caught = self.candidate is not None and facts.touched and not facts.landed
        if caught:
            # In the air. If it is lost again within the step, that is a new candidate.
            held_before, self.candidate = True, None
        if self.candidate is None:
            if touching[-1]:
                return None
            lost = int(np.flatnonzero(touching)[-1]) + 1 if facts.touched else 0
            self.candidate = EventReport(
                Outcome.FAILURE,
                FailureType.DROP,
                facts.step,
                onset_time=_time(self.rules, facts, lost),
                bodies=(facts.object_name,),
            )
            self._resting = 0
        self._resting = self._resting + 1 if facts.object_speed < self.rules.rest_speed else 0
        at_rest = self._resting >= self.rules.rest_steps
        if facts.in_goal:
            if at_rest:
                self.candidate = None
        elif facts.landed or at_rest:
            event = replace(self.candidate, confirm_step=facts.step)
            self.candidate = None
            return event
        return None


@dataclass
class MissRule:
    """A gripper that closed on nothing beside the object, and then leaves without it."""

    rules: EventRules
    candidate: EventReport | None = None
    _armed: bool = True
    _still: int = 0
    _closed_at: Array = field(default_factory=lambda: np.zeros(3))

    def update(self, facts: StepFacts, *, blocked: bool) -> EventReport | None:
        """Take in a step; `blocked`: the object is held or falling, so no attempt is under way."""
        around = facts.object_width - self.rules.width_margin
        if self.candidate is not None:
            grasped = bool((facts.fingers == 2).any()) and facts.opening >= around
            if blocked or grasped:
                self.candidate = None
            elif np.linalg.norm(facts.gripper - self._closed_at) >= self.rules.leave_distance:
                event = replace(self.candidate, confirm_step=facts.step)
                self.candidate = None
                return event
            return None
        if not facts.closing:
            self._armed, self._still = True, 0
            return None
        stopped = abs(facts.opening_speed) < self.rules.still_speed
        self._still = self._still + 1 if stopped else 0
        closed = facts.opening < around or self._still >= self.rules.still_steps
        near = facts.reach <= self.rules.grasp_reach
        if self._armed and closed and near and not (facts.touched or blocked or facts.in_goal):
            self._armed = False
            self._closed_at = np.array(facts.gripper)
            self.candidate = EventReport(
                Outcome.FAILURE,
                FailureType.MISS,
                facts.step,
                onset_time=facts.step * self.rules.step_period,
                bodies=(facts.object_name,),
            )
        return None


@dataclass
class SuccessRule:
    """An object that lies in the goal, let go of and at rest, and stays so."""

    rules: EventRules
    candidate: EventReport | None = None
    _steps: int = 0

    def update(self, facts: StepFacts) -> EventReport | None:
        """Take in a step; return the success once it has lasted."""
        resting = facts.in_goal and facts.object_speed < self.rules.rest_speed
        if facts.touched or not resting:
            self.candidate, self._steps = None, 0
            return None
        if self.candidate is None:
            self.candidate = EventReport(
                Outcome.SUCCESS,
                onset_step=facts.step,
                onset_time=facts.step * self.rules.step_period,
                bodies=(facts.object_name,),
            )
        self._steps += 1
        if self._steps < self.rules.rest_steps:
            return None
        event = replace(self.candidate, confirm_step=facts.step)
        self.candidate = None
        return event
