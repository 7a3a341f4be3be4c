"""The thresholds of the events; docs/EVENTS.md gives the reason for each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EventRules:
    """When something counts as an event; all in SI units, steps are control steps.

    Attributes:
        step_period: seconds in a control step.
        collision_force: a contact above this may be a collision [N].
        collision_window: it lasts if, within this time from its first substep [s],
        collision_impulse: the force over time adds up to this [N s].
        lift_clearance: the object counts as lifted when its lowest point is this high [m].
        rest_speed: an object slower than this is at rest [m/s].
        rest_steps: steps at rest that confirm a success, or a drop that touches nothing listed.
        grasp_reach: a closure farther from the object than this is no attempt to grasp it [m].
        width_margin: fingers nearer than the object's width less this hold nothing [m].
        still_speed: fingers slower than this have stopped [m/s].
        still_steps: steps after which stopped fingers count as closed.
        leave_distance: an empty gripper this far from where it closed has failed to grasp [m].
        stall_budget: time without a milestone after which the task has timed out [s].
        patience_steps: how long a confirmed event waits for an earlier one to be decided.
        limit_is_timeout: the step limit is the timeout, and no stall is.
    """

    step_period: float = 1 / 30
    collision_force: float = 20.0
    collision_window: float = 0.1
    collision_impulse: float = 2.0
    lift_clearance: float = 0.01
    rest_speed: float = 0.05
    rest_steps: int = 3
    grasp_reach: float = 0.15
    width_margin: float = 0.002
    still_speed: float = 0.003
    still_steps: int = 3
    leave_distance: float = 0.07
    stall_budget: float = 2.0
    patience_steps: int = 15
    limit_is_timeout: bool = False

    @property
    def stall_steps(self) -> int:
        """The stall budget in steps."""
        return max(1, round(self.stall_budget / self.step_period))
