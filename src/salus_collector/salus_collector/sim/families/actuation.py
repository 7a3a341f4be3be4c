"""Families that disturb what the robot does with a command."""

import math
from collections.abc import Callable
from typing import ClassVar, Final, override

import numpy as np
from numpy.typing import NDArray

from salus_collector.sim.families.base import Family, Parameter
from salus_collector.sim.families.trace import CLOSED, Trace, first_row
from salus_collector.sim.world import CONTROL_STEP, World
from salus_data.action_space import ACTION_SPACES

Array = NDArray[np.float64]

_SPACE_BY_SIZE: Final = {space.size: space for space in ACTION_SPACES.values()}


def holding(size: int, joints: Array, gripper: float) -> Array:
    """The action that keeps the arm at `joints` (7,) [rad], in the space that has this size."""
    return _SPACE_BY_SIZE[size].hold(joint_position=joints, gripper=gripper)


def arm_position(world: World) -> Array:
    """Where the arm's joints are (7,) [rad]; a copy."""
    return np.array(world.data.qpos[world.arm_positions])


class FadingGrip(Family):
    """The grip loses force after the grasp: F(t) = F0 exp(-(t - delay) rate) from the delay on.

    Its clock starts when the object is first held, and the force keeps falling whatever is held.
    """

    name: ClassVar[str] = "fading_grip"
    summary: ClassVar[str] = "the grip force fades after the grasp"
    sign: ClassVar[str] = "from the first loss of force: the delay after the grasp"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("rate", "1/s", "of the fading; 1 / time constant", (0, 60), (6.0, 28.0), 0.0),
        Parameter("delay", "s", "from the grasp to the first loss", (0, 60), (0.0, 0.6)),
    )

    @override
    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Wait for the first grasp."""
        super().on_reset(world, rng)
        self._grasp_step: int | None = None
        self._full_force = world.grip_force  # [N]

    @override
    def before_step(self, world: World) -> None:
        """Set the grip force of this step."""
        if self._grasp_step is None:
            if not world.held:
                return
            self._grasp_step = world.step
        fading = (world.step - self._grasp_step) * CONTROL_STEP - self.values["delay"]
        if self.values["rate"] > 0 and fading > 0:
            force = self._full_force * math.exp(-fading * self.values["rate"])
            world.set_grip_force(max(force, 0.3))

    @override
    def first_sign(self, trace: Trace) -> int | None:
        """The row after the first step with less force; None without a grasp."""
        grasp = trace.milestone("grasp")
        if grasp is None or self.values["rate"] == 0:
            return None
        return grasp + math.floor(self.values["delay"] / CONTROL_STEP) + 2


class SlowDown(Family):
    """The arm executes only a share of each commanded motion."""

    name: ClassVar[str] = "slow_down"
    summary: ClassVar[str] = "executed motion scaled down"
    sign: ClassVar[str] = "from the first motion, after the idle time"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "factor", "1", "share of the motion that is executed", (0.01, 1), (0.05, 0.3), 1.0
        ),
    )

    @override
    def command(self, action: Array, world: World) -> Array:
        """Move only `factor` of the way that the action asks for; the hand obeys."""
        factor = self.values["factor"]
        if factor == 1:
            return action
        still = holding(len(action), arm_position(world), float(action[-1]))
        return still + factor * (action - still)

    @override
    def first_sign(self, trace: Trace) -> int | None:
        """The row after the first step in which the policy moves the arm."""
        return None if self.values["factor"] == 1 else trace.record.idle_steps + 1


class Freezes(Family):
    """The arm stands still now and then, and the hand keeps what it was last told."""

    name: ClassVar[str] = "freezes"
    summary: ClassVar[str] = "commands are ignored for random spans"
    sign: ClassVar[str] = "from the first freeze after the idle time, drawn again from the seed"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("rate", "1/s", "of freezes, while none is on", (0, 30), (0.5, 3.0), 0.0),
        Parameter(
            "duration", "s", "mean of a freeze; spans are exponential", (0.03, 60), (0.2, 1.0)
        ),
    )

    @override
    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Start moving."""
        super().on_reset(world, rng)
        self._left = 0
        self._gripper = 1.0
        self._joints = arm_position(world)

    @override
    def command(self, action: Array, world: World) -> Array:
        """Replace the action by a hold while a freeze lasts."""
        if self._left == 0:
            self._left = self._draw(self.random)
            if self._left == 0:
                self._gripper = float(action[-1])
                return action
            self._joints = arm_position(world)
        self._left -= 1
        return holding(len(action), self._joints, self._gripper)

    def _draw(self, random: np.random.Generator) -> int:
        """Steps of the freeze that begins now; 0 where none does."""
        starts = random.random() < 1 - math.exp(-self.values["rate"] * CONTROL_STEP)
        span = random.exponential(self.values["duration"])
        return max(1, round(span / CONTROL_STEP)) if starts else 0

    @override
    def first_sign(self, trace: Trace) -> int | None:
        """The row after the first frozen step in which the policy moves the arm."""
        frozen = _spans(lambda: self._draw(trace.random), trace.rows)
        frozen[: trace.record.idle_steps] = False
        return first_row(frozen)


class GripperGlitch(Family):
    """The hand opens for a moment, whatever it was told. Nothing announces it."""

    name: ClassVar[str] = "gripper_glitch"
    summary: ClassVar[str] = "short bursts in which the hand opens"
    sign: ClassVar[str] = "from the first burst in a hand told to close, drawn again from the seed"
    abrupt: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("rate", "1/s", "of bursts, while none is on", (0, 30), (0.0, 1.5), 0.0),
        Parameter("duration", "s", "of each burst", (0.03, 10), (0.03, 0.25)),
    )

    @override
    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Start without a burst."""
        super().on_reset(world, rng)
        self._left = 0

    @override
    def command(self, action: Array, world: World) -> Array:
        """Open the hand while a burst lasts."""
        if self._left == 0:
            self._left = self._draw(self.random)
            if self._left == 0:
                return action
        self._left -= 1
        opened = action.copy()
        opened[-1] = 1.0
        return opened

    def _draw(self, random: np.random.Generator) -> int:
        """Steps of the burst that begins now; 0 where none does."""
        if random.random() >= 1 - math.exp(-self.values["rate"] * CONTROL_STEP):
            return 0
        return max(1, round(self.values["duration"] / CONTROL_STEP))

    @override
    def first_sign(self, trace: Trace) -> int | None:
        """The row after the first burst that changes anything: an open hand is open."""
        bursts = _spans(lambda: self._draw(trace.random), trace.rows)
        return first_row(bursts & (trace.gripper < CLOSED))


def _spans(draw: Callable[[], int], rows: int) -> NDArray[np.bool_]:
    """At which of `rows` steps a span is on, where `draw` gives the length of one that begins."""
    on, left = np.zeros(rows, bool), 0
    for step in range(rows):
        left = left or draw()
        on[step] = left > 0
        left = max(left - 1, 0)
    return on
