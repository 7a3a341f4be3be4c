"""Families that change what the cameras show; only a policy that looks suffers from them."""

import math
from typing import ClassVar, override

import numpy as np
from numpy.typing import NDArray

from salus_collector.sim import scene
from salus_collector.sim.families.base import Family, Parameter
from salus_collector.sim.families.trace import Trace
from salus_collector.sim.world import CONTROL_STEP, World

Array = NDArray[np.float64]


class CameraChange(Family):
    """The cameras stand, the lights shine and the colours look other than usual."""

    name: ClassVar[str] = "camera_change"
    summary: ClassVar[str] = "camera pose, light and colour"
    sign: ClassVar[str] = "from the start"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("shift", "m", "of each camera, in a random direction", (0, 1), (0.0, 0.06), 0.0),
        Parameter("turn", "rad", "of each camera, about a random axis", (0, 1), (0.0, 0.12), 0.0),
        Parameter(
            "light", "1", "factor on every light", (0.01, 5), (0.3, 1.6), 1.0, geometric=True
        ),
        Parameter("colour", "1", "shift of each colour channel, at most", (0, 1), (0.0, 0.25), 0.0),
    )

    @override
    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Change the model's cameras, lights and colours for this episode."""
        super().on_reset(world, rng)
        model, own = world.model, self.values
        if own["shift"] > 0 or own["turn"] > 0:
            for name in scene.CAMERAS:
                world.move_camera(
                    name, own["shift"] * _unit_vector(rng), own["turn"] * _unit_vector(rng)
                )
        if own["light"] != 1:
            world.set_light(own["light"])
        if own["colour"] > 0:
            shift = rng.uniform(-own["colour"], own["colour"], size=(model.ngeom, 3))
            model.geom_rgba[:, :3] = np.clip(model.geom_rgba[:, :3] + shift, 0, 1)


class CameraSlip(Family):
    """The cameras' mounts give way: from `start` on they move and turn evenly, then stay there.

    What a camera shows drifts with it, so a policy that trusts its calibration is led astray step
    by step, on its way.
    """

    name: ClassVar[str] = "camera_slip"
    summary: ClassVar[str] = "the cameras sag slowly while the robot works"
    sign: ClassVar[str] = "from the start of the slip"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("shift", "m", "of each camera, in a random direction", (0, 1), (0.02, 0.08), 0.0),
        Parameter("turn", "rad", "of each camera, about a random axis", (0, 1), (0.05, 0.2), 0.0),
        Parameter("start", "s", "of the slip, from the first row", (0, 60), (0.3, 4.0)),
        Parameter("duration", "s", "of the slip", (0.034, 60), (0.5, 2.0)),
    )

    @override
    def on_reset(self, world: World, rng: np.random.Generator) -> None:
        """Draw where each camera goes."""
        super().on_reset(world, rng)
        self._ways = {name: (_unit_vector(rng), _unit_vector(rng)) for name in scene.CAMERAS}
        self._done = 0.0

    @override
    def before_step(self, world: World) -> None:
        """Move the cameras by this step's share of the way."""
        own = self.values
        passed = (world.step * CONTROL_STEP - own["start"]) / own["duration"]
        share = min(max(passed, 0.0), 1.0) - self._done
        if share <= 0 or (own["shift"] == 0 and own["turn"] == 0):
            return
        self._done += share
        for name, (way, axis) in self._ways.items():
            world.move_camera(name, share * own["shift"] * way, share * own["turn"] * axis)

    @override
    def first_sign(self, trace: Trace) -> int | None:
        """The row after the first step of the slip."""
        own = self.values
        if own["shift"] == 0 and own["turn"] == 0:
            return None
        return math.floor(own["start"] / CONTROL_STEP) + 2


def _unit_vector(random: np.random.Generator) -> Array:
    vector = random.normal(size=3)
    return np.asarray(vector / np.linalg.norm(vector))
