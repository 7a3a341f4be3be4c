"""What MuJoCo says about contact, read at every substep from its own contact sensors."""

from typing import Any, Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from salus_collector.sim import scene
from salus_collector.sim.world import SUBSTEPS, World

Array = NDArray[np.float64]

_ROBOT: Final = ("robot_table", "robot_obstacle", "robot_bin")


_NO_FORCE: Final = np.zeros(SUBSTEPS)
_NO_FORCE.flags.writeable = False


class ContactLog:
    """The contacts of one control step, substep by substep.

    Attributes:
        robot_force: (SUBSTEPS,) largest net force between the robot and table, obstacle or bin [N].
        object_force: (SUBSTEPS,) net force between the cube and the obstacle [N].
        fingers: (SUBSTEPS,) number of fingers that touch the cube, 0 to 2.
        bodies: the pair in the strongest contact of the step; empty without one.
        landed: at the end of the step the cube touches table, floor or obstacle.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        address = {name: int(world.model.sensor(name).adr[0]) for name, *_ in scene.CONTACT_SENSORS}
        # A reading is [contacts found, force x, y, z].
        self._robot = np.array([address[name] for name in _ROBOT])[:, None] + (1, 2, 3)
        self._object = address["object_obstacle"] + np.array((1, 2, 3))
        self._fingers = np.array((address["object_left"], address["object_right"]))
        self._ground = np.array([address[f"object_{n}"] for n in ("table", "floor", "obstacle")])
        self._table, self._obstacle, self._bin = (address[name] for name in _ROBOT)
        self._cube = address["object_obstacle"]
        self._values = world.data.sensordata
        self._owner = _owners(world.model)
        self._readings = np.zeros((SUBSTEPS, world.model.nsensordata))
        self.robot_force, self.object_force = np.zeros(SUBSTEPS), np.zeros(SUBSTEPS)
        self.fingers: NDArray[np.int64] = np.zeros(SUBSTEPS, np.int64)
        self.bodies: tuple[str, ...] = ()
        self.landed = False
        self._strongest = 0.0
        self._collided = False

    def begin(self) -> None:
        """Forget the last control step."""
        self.bodies, self._strongest, self._collided = (), 0.0, False

    def read(self, substep: int) -> None:
        """Keep the sensors' readings of physics substep `substep`, 0 to SUBSTEPS - 1.

        They are of the forces that acted during that substep.
        """
        values = self._values
        self._readings[substep] = values
        # Almost no step has such a contact: the search for its bodies is worth avoiding.
        if values[self._table] or values[self._obstacle] or values[self._bin] or values[self._cube]:
            self._collided = True
            self._find_bodies()

    def finish(self) -> None:
        """Sum up the control step after its last substep; fills the attributes."""
        self.robot_force = self.object_force = _NO_FORCE
        if self._collided:
            forces = self._readings[:, self._robot]
            self.robot_force = np.sqrt((forces * forces).sum(axis=2).max(axis=1))
            forces = self._readings[:, self._object]
            self.object_force = np.sqrt((forces * forces).sum(axis=1))
        found = self._readings[:, self._fingers] > 0
        self.fingers = found[:, 0].astype(np.int64) + found[:, 1]
        self.landed = bool(self._values[self._ground].any())

    def _find_bodies(self) -> None:
        """Note the two bodies if a contact is the strongest so far that may be a collision."""
        model, data = self._world.model, self._world.data
        force = np.empty(6)
        for index in range(data.ncon):
            names = tuple(self._owner[geom] for geom in data.contact.geom[index])
            if not _is_collision(names):
                continue
            mujoco.mj_contactForce(model, data, index, force)
            if (size := float(np.linalg.norm(force[:3]))) > self._strongest:
                self._strongest, self.bodies = size, _sorted_pair(names)


_FURNITURE: Final = (scene.TABLE, scene.OBSTACLE, scene.BIN)


def _owners(model: Any) -> tuple[str, ...]:
    """The name of each geom's body; table and floor belong to the world and keep their own."""
    return tuple(
        model.geom(index).name if model.geom_bodyid[index] == 0 else
        model.body(model.geom_bodyid[index]).name
        for index in range(model.ngeom)
    )  # fmt: skip


def _is_collision(names: tuple[str, ...]) -> bool:
    if scene.CUBE in names:
        return scene.OBSTACLE in names
    return any(name in _FURNITURE for name in names)


def _sorted_pair(pair: tuple[str, ...]) -> tuple[str, ...]:
    """The mover first, the furniture second."""
    return tuple(sorted(pair, key=lambda name: name in _FURNITURE))
