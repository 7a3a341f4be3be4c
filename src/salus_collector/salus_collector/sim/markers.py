"""The scene as a list of plain shapes, for viewers that know nothing of MuJoCo."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from salus_collector.sim import scene
from salus_collector.sim.meshes import mesh_files
from salus_collector.sim.panda import SHOWN_GROUP
from salus_collector.sim.world import World

Array = NDArray[np.float64]

_FLOOR_HALF_THICKNESS: Final = 0.001


@dataclass(frozen=True)
class Marker:
    """One shape of the scene, in the base frame.

    Attributes:
        name: unique and the same in every episode.
        shape: `box`, or `mesh`.
        extents: (3,) full extents [m] of a box; scale of a mesh, 1 for one in metres.
        rgba: (4,) colour, 0 to 1.
        position: (3,) [m], of a box's centre or of the mesh file's origin.
        quaternion: (4,) xyzw.
        mesh: the mesh's file (STL); None for a box.
        fixed: it stays where it is while the episode runs.
    """

    name: str
    shape: Literal["box", "mesh"]
    extents: Array
    rgba: Array
    position: Array
    quaternion: Array
    mesh: Path | None
    fixed: bool


def scene_markers(world: World) -> tuple[Marker, ...]:
    """Every visible shape at its present pose; an obstacle that is not there is left out."""
    files = mesh_files()
    model = world.model
    return tuple(
        _marker(world, geom, files)
        for geom in range(model.ngeom)
        if model.geom_group[geom] == SHOWN_GROUP
        and (world.has_obstacle or geom != world.obstacle_geom)
    )


def _marker(world: World, geom: int, files: dict[str, Path]) -> Marker:
    model, data = world.model, world.data
    position = np.array(data.geom_xpos[geom])
    rotation: Array = np.array(data.geom_xmat[geom]).reshape(3, 3)
    extents, mesh = 2 * model.geom_size[geom], None
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
        index = model.geom_dataid[geom]
        # MuJoCo moves a mesh to its centre and principal axes; a viewer loads the file as it is.
        rotation = rotation @ _matrix(model.mesh_quat[index]).T
        position = position - rotation @ model.mesh_pos[index]
        extents, mesh = np.ones(3), files[model.mesh(index).name]
    elif model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_PLANE:
        extents[2] = 2 * _FLOOR_HALF_THICKNESS
        position = position - rotation[:, 2] * _FLOOR_HALF_THICKNESS
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    name = str(model.geom(geom).name)
    return Marker(
        name=name,
        shape="box" if mesh is None else "mesh",
        extents=extents,
        rgba=np.array(model.geom_rgba[geom], np.float64),
        position=position,
        quaternion=quaternion[[1, 2, 3, 0]],
        mesh=mesh,
        fixed=bool(model.body_weldid[model.geom_bodyid[geom]] == 0) and not _is_mocap(model, geom),
    )


def _is_mocap(model: Any, geom: int) -> bool:
    """Whether the shape belongs to a body that is placed anew in every episode."""
    return str(model.body(model.geom_bodyid[geom]).name) in (scene.BIN, scene.OBSTACLE)


def _matrix(quaternion: Any) -> Array:
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3)
