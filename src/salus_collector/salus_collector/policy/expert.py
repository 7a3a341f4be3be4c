"""A scripted pick-and-place expert that reads the same observations as a learnt policy.

It knows nothing but `state` and `perceived`; what it perceives wrongly, it does wrongly. It acts in
`delta_ee` and needs no clock: every phase ends by what is seen, or after a number of its own steps.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.policy.base import Decision, EpisodeStart, Observation
from salus_collector.policy.geometry import (
    downward_orientation,
    matrix_from_quaternion,
    rotation_error,
    yaw_from_quaternion,
)
from salus_data.action_space import DELTA_EE, ActionSpace
from salus_data.contract import Column
from salus_data.layout import EE_POSITION, EE_QUATERNION, POSITION, object_slice

Array = NDArray[np.float64]

OBJECT: Final = object_slice("object")
OBSTACLE: Final = object_slice("obstacle")
BIN: Final = object_slice("bin")

LAG: Final = 1.5
"""Steps by which the arm follows its target."""

EMPTY_WIDTH: Final = 0.008
"""A closed hand that is not further open than this [m] holds nothing."""

BRAKING: Final = 0.4
"""Largest share of the remaining way that one step may command."""


class Phase(IntEnum):
    """What the expert is about to do; the phases follow one another in this order."""

    ABOVE = 0  # move over the object
    DESCEND = 1  # go down around it
    GRASP = 2  # close and wait
    LIFT = 3  # straight up to the transit height
    TRANSIT = 4  # level, to the bin
    LOWER = 5  # down into the bin
    RELEASE = 6  # open and wait
    RETREAT = 7  # up and stay


@dataclass(frozen=True)
class ExpertSettings:
    """How the expert moves.

    Attributes:
        speed: of the gripper [m/s]; each episode draws a factor within `speed_variation` of 1.
        speed_variation: half width of that factor's range.
        turn_rate: largest turn [rad/s].
        position_noise: standard deviation of the noise on each translation [m per step].
        rotation_noise: standard deviation of the noise on each rotation [rad per step].
        grasp_height: of the gripper above the object's centre when it closes [m].
        approach_height: above the grasp, from where it descends [m].
        clearance: of the gripper over the obstacle's perceived top [m]; what hangs below the
            gripper takes 0.03 m of it.
        lowest_transit: transit height where no obstacle asks for more [m].
        release_height: of the gripper above the bin's floor when it opens [m].
        grasp_wait, release_wait: steps that the hand is given to close and to open.
        descend_patience: steps after which it closes although it has not got down.
    """

    speed: float = 0.48
    speed_variation: float = 0.15
    turn_rate: float = 1.8
    position_noise: float = 0.0015
    rotation_noise: float = 0.003
    grasp_height: float = 0.006
    approach_height: float = 0.1
    clearance: float = 0.095
    lowest_transit: float = 0.13
    release_height: float = 0.1
    grasp_wait: int = 8
    release_wait: int = 8
    descend_patience: int = 45


class Expert:
    """Picks the perceived object, carries it over the perceived obstacle and drops it in the bin.

    Implements `salus_collector.policy.base.Policy`. Until it closes the hand, it follows the
    perceived object, and goes up again where the object has moved from under it. Where another
    action was executed than it proposed, it plans anew, as a policy with a chunk does: it looks at
    the obstacle again, and picks again where the hand holds nothing.
    """

    name = "expert"
    digest = ""
    action_space: ActionSpace = DELTA_EE
    signals: tuple[Column, ...] = ()
    ensemble_size = 0
    embedding_size = 0
    needs_images = False

    def __init__(self, settings: ExpertSettings | None = None) -> None:
        self.settings = settings or ExpertSettings()
        self.reset(EpisodeStart(seed=0, task="", step_period=1 / 30))

    def reset(self, start: EpisodeStart) -> None:
        """Begin an episode; everything random in it follows from `start.seed`."""
        own = self.settings
        self._random = np.random.default_rng(np.random.SeedSequence(start.seed, spawn_key=(1,)))
        factor = self._random.uniform(1 - own.speed_variation, 1 + own.speed_variation)
        self._stride = own.speed * factor * start.step_period  # [m per step]
        self._turn = own.turn_rate * start.step_period  # [rad per step]
        self._extra_clearance = self._random.uniform(-0.01, 0.02)  # [m]
        self._grasp_wait = own.grasp_wait + int(self._random.integers(-1, 2))
        self._gripper = 1.0
        self._object: Array | None = None  # (10,) filtered; None until first seen
        self._bin: Array | None = None  # (10,)
        self._obstacle_top = -np.inf  # [m], as perceived when the hand closes
        self._last_position: Array | None = None
        self._proposed: Array | None = None
        self._changed = False  # another action was executed than the last one proposed
        self._enter(Phase.ABOVE)

    @property
    def phase(self) -> Phase:
        """What it is doing, for displays and tests."""
        return self._phase

    def act(self, observation: Observation) -> Decision:
        """The next action, (7,) in `delta_ee`; it holds while it has never seen object and bin."""
        state, perceived = observation["state"], observation["perceived"]
        position = np.asarray(state[EE_POSITION], dtype=np.float64)
        rotation = matrix_from_quaternion(state[EE_QUATERNION])
        self._perceive(perceived)
        if self._changed:
            self._changed = False
            self._plan_anew(position, float(state[POSITION][7:].sum()), perceived)
        velocity = np.zeros(3) if self._last_position is None else position - self._last_position
        self._last_position = position.copy()
        if self._object is None or self._bin is None:
            return Decision(np.append(np.zeros(6), self._gripper))

        self._phase_steps += 1
        goal = self._goal()
        self._advance(position, velocity, goal)
        goal = self._goal()

        # The arm follows its target with a lag of some two steps, so aim from where it will come
        # to rest, and brake before the goal; else it swings over.
        remaining = goal - (position + LAG * velocity)
        length = float(np.linalg.norm(remaining))
        translation = remaining * min(BRAKING, self._stride / max(length, 1e-9))
        turn = rotation_error(
            downward_orientation(yaw_from_quaternion(self._object[3:7])), rotation
        )
        angle = float(np.linalg.norm(turn))
        turn = turn * min(BRAKING, self._turn / max(angle, 1e-9))

        own = self.settings
        translation = translation + self._random.normal(0, own.position_noise, 3)
        turn = turn + self._random.normal(0, own.rotation_noise, 3)
        self._proposed = np.concatenate([translation, turn, [self._gripper]])
        return Decision(self._proposed.copy())

    def executed(self, action: Array) -> None:
        """Plan anew where it is not what was proposed; limits of the space change nothing."""
        if self._proposed is None:
            return
        proposed = np.clip(self._proposed, self.action_space.low, self.action_space.high)
        done = np.clip(action, self.action_space.low, self.action_space.high)
        self._changed = not np.allclose(done, proposed, rtol=0, atol=1e-9)

    def _plan_anew(self, position: Array, width: float, perceived: NDArray[np.float64]) -> None:
        """Drop the plan that stands since the hand closed, from the present posture on."""
        if not Phase.DESCEND < self._phase < Phase.RELEASE:
            return
        if width < EMPTY_WIDTH:
            self._gripper = 1.0
            self._enter(Phase.ABOVE)
            return
        obstacle = perceived[OBSTACLE]
        top = float(obstacle[2] + obstacle[9] / 2)
        higher = np.isfinite(top) and top > self._obstacle_top + 0.005
        if higher:
            self._obstacle_top = top
        if higher and self._phase in (Phase.TRANSIT, Phase.LIFT):
            assert self._object is not None
            # Straight up from here, then on.
            self._object[:2] = position[:2]
            self._enter(Phase.LIFT)

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._phase_steps = 0

    def _perceive(self, perceived: NDArray[np.float64]) -> None:
        """Follow the object until the hand closes; afterwards the plan stands."""
        if self._phase > Phase.DESCEND:
            return
        seen = perceived[OBJECT]
        if np.isfinite(seen).all():
            # Quaternions are not averaged: the yaw of a cube wraps every quarter turn.
            position = seen[:3] if self._object is None else 0.7 * self._object[:3] + 0.3 * seen[:3]
            self._object = np.concatenate([position, seen[3:]])
        if np.isfinite(perceived[BIN]).all():
            self._bin = perceived[BIN].copy()
        # What is not seen now is not planned for: it has no more memory than a learnt policy.
        obstacle = perceived[OBSTACLE]
        top = float(obstacle[2] + obstacle[9] / 2)
        self._obstacle_top = top if np.isfinite(top) else -np.inf

    def _goal(self) -> Array:
        """Where the gripper is to be in this phase, (3,) m."""
        assert self._object is not None
        assert self._bin is not None
        own = self.settings
        x, y, z = self._object[:3]
        grasp = z + own.grasp_height
        above = max(0.12, grasp + own.approach_height)
        transit = max(
            own.lowest_transit, self._obstacle_top + own.clearance + self._extra_clearance
        )
        bin_x, bin_y, floor = self._bin[:3]  # a bin's position is that of its underside
        match self._phase:
            case Phase.ABOVE:
                return np.array([x, y, above])
            case Phase.DESCEND | Phase.GRASP:
                return np.array([x, y, grasp])
            case Phase.LIFT:
                return np.array([x, y, transit])
            case Phase.TRANSIT:
                return np.array([bin_x, bin_y, transit])
            case Phase.LOWER | Phase.RELEASE:
                return np.array([bin_x, bin_y, floor + own.release_height])
            case Phase.RETREAT:
                return np.array([bin_x, bin_y, floor + 0.2])

    def _advance(self, position: Array, velocity: Array, goal: Array) -> None:
        """Go on to the next phase where this one is done, or back where the object moved away."""
        own = self.settings
        distance = float(np.linalg.norm(goal - position))
        sideways = float(np.linalg.norm(goal[:2] - position[:2]))
        still = float(np.linalg.norm(velocity)) < self._stride / 3
        match self._phase:
            case Phase.ABOVE if distance < 0.02 and sideways < 0.01:
                self._enter(Phase.DESCEND)
            case Phase.DESCEND if sideways > 0.035 and self._phase_steps > 3:
                self._enter(Phase.ABOVE)
            case Phase.DESCEND if (
                distance < 0.01 and still
            ) or self._phase_steps > own.descend_patience:
                self._gripper = 0.0
                self._enter(Phase.GRASP)
            case Phase.GRASP if self._phase_steps > self._grasp_wait:
                self._enter(Phase.LIFT)
            case Phase.LIFT if distance < 0.03:
                self._enter(Phase.TRANSIT)
            case Phase.TRANSIT if distance < 0.03:
                self._enter(Phase.LOWER)
            case Phase.LOWER if distance < 0.015:
                self._gripper = 1.0
                self._enter(Phase.RELEASE)
            case Phase.RELEASE if self._phase_steps > own.release_wait:
                self._enter(Phase.RETREAT)
            case _:
                pass
