"""Families that touch the robot or the object from outside."""

import math
from typing import ClassVar, override

import numpy as np
from numpy.typing import NDArray

from salus_collector.sim.families.base import Family, Parameter
from salus_collector.sim.families.perception import DIRECTION
from salus_collector.sim.families.trace import Trace
from salus_collector.sim.world import CONTROL_STEP, World

Array = NDArray[np.float64]


class ExternalPush(Family):
    """Somebody pushes the hand for a moment, and flicks the object, held or not."""

    name: ClassVar[str] = "external_push"
    summary: ClassVar[str] = "a force on the hand, a nudge of the object"
    sign: ClassVar[str] = "from the push or the nudge, whichever comes first"
    abrupt: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("force", "N", "on the hand", (0, 500), (100.0, 400.0), 0.0),
        DIRECTION,
        Parameter("elevation", "rad", "of the force, down is negative", (-2, 2), (-1.0, 0.5)),
        Parameter("start", "s", "of the force, from the first row", (0, 60), (0.3, 4.0)),
        Parameter("duration", "s", "of the force", (0.03, 10), (0.1, 0.5)),
        Parameter("nudge_speed", "m/s", "given to the object", (0, 3), (0.5, 2.5), 0.0),
        Parameter("nudge_direction", "rad", "in the table's plane", (-4, 4), (-math.pi, math.pi)),
        Parameter("nudge_time", "s", "from the first row", (0, 60), (0.3, 4.0)),
    )

    @override
    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Work out the steps and the vectors."""
        super().on_reset(world, rng)
        own, period = self.values, CONTROL_STEP
        level, up = math.cos(own["elevation"]), math.sin(own["elevation"])
        self._force = own["force"] * np.array(
            [level * math.cos(own["direction"]), level * math.sin(own["direction"]), up]
        )
        self._first = round(own["start"] / period)
        self._last = self._first + max(1, round(own["duration"] / period)) - 1
        self._nudge = own["nudge_speed"] * np.array(
            [math.cos(own["nudge_direction"]), math.sin(own["nudge_direction"]), 0.0]
        )
        self._nudge_step = round(own["nudge_time"] / period)

    @override
    def before_step(self, world: World) -> None:
        """Push the hand during the span; flick the object at its step."""
        if self.values["force"] > 0 and self._first <= world.step <= self._last:
            world.push("hand", self._force)
        if world.step == self._nudge_step and self.values["nudge_speed"] > 0:
            world.object_velocity[:] += self._nudge

    @override
    def first_sign(self, trace: Trace) -> int | None:
        """The row after the first step that is pushed or nudged."""
        own = self.values
        starts = {"force": own["start"], "nudge_speed": own["nudge_time"]}
        steps = [round(start / CONTROL_STEP) for size, start in starts.items() if own[size] > 0]
        return min(steps) + 1 if steps else None
