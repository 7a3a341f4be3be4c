"""The simulated world as disturbances and randomisation see it: what is where, and setters.

Each setter keeps MuJoCo's derived quantities consistent. Every parameter is put back at the next
reset.
"""

import logging
from typing import Any, Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from salus_collector.sim import scene
from salus_collector.sim.panda import ARM_JOINTS, FINGER_JOINTS, FINGER_TRAVEL, HOME
from salus_collector.sim.parameters import read_parameters, write_parameters
from salus_data.errors import UnknownNameError

Array = NDArray[np.float64]

# MuJoCo would write each warning to MUJOCO_LOG.TXT in the folder where the program was started. The
# ones that matter are counted in mjData.warning, and discard the episode.
mujoco.set_mju_user_warning(logging.getLogger("mujoco").debug)

CONTROL_STEP: Final = 1 / 30
"""Seconds between two actions."""
SUBSTEPS: Final = 8
"""Physics steps in a control step."""


class World:
    """A model, its data and the ids of what matters in it.

    Attributes:
        model: mujoco.MjModel.
        data: mujoco.MjData.
        step: number of the last observation, counted from 0 at reset.
        held: the object is held, as the events define it.
        ever_held: it has been held in this episode.
        has_obstacle: this episode has an obstacle.
        grip: opening [0, 1] that the hand was last told, after disturbances.
        gripper_position: (3,) of the point between the fingertips [m].
        gripper_rotation: (3, 3) orientation of the gripper.
        object_position: (3,) centre of the cube [m].
        object_rotation: (3, 3) orientation of the cube.
        object_velocity: (3,) linear velocity of the cube's centre [m/s].
        bin_position: (3,) centre of the bin's underside [m].
        obstacle_position: (3,) centre of the obstacle [m]; below the floor where there is none.

    The arrays among them are views into MuJoCo's memory: they follow the simulation. Copy what is
    to be kept.
    """

    def __init__(self, image_size: int) -> None:
        self.model = scene.build_spec(image_size).compile()
        self.data = mujoco.MjData(self.model)
        # mj_setConst overwrites the data it is given.
        self._scratch = mujoco.MjData(self.model)
        self._compiled = read_parameters(self.model)
        self.step = 0
        self.held = self.ever_held = False
        self.has_obstacle = True
        self.grip = 1.0

        model = self.model
        self.tcp = int(model.site("tcp").id)
        self.arm_positions = np.array([model.joint(name).qposadr[0] for name in ARM_JOINTS])
        joints = (*ARM_JOINTS, *FINGER_JOINTS)
        self.joint_positions = np.array([model.joint(name).qposadr[0] for name in joints])
        self.joint_velocities = np.array([model.joint(name).dofadr[0] for name in joints])
        self.cube_geom = int(model.geom(scene.CUBE).id)
        self.cube_body = int(model.body(scene.CUBE).id)
        self.cube_position = int(model.joint("cube_free").qposadr[0])
        self.cube_velocity = int(model.joint("cube_free").dofadr[0])
        self.obstacle_geom = int(model.geom(scene.OBSTACLE).id)
        self.pad_geoms = [int(model.geom(name).id) for name in ("left_pad", "right_pad")]
        self.grip_drive = int(model.actuator("fingers").id)
        self._mocap = {
            name: int(model.body(name).mocapid[0]) for name in (scene.BIN, scene.OBSTACLE)
        }
        self._take_views()

    def _take_views(self) -> None:
        """Look up once what every step reads: a look-up costs as much as a substep of physics."""
        data, start = self.data, self.cube_velocity
        self.gripper_position: Array = data.site_xpos[self.tcp]
        self._gripper_matrix: Array = data.site_xmat[self.tcp]
        self.gripper_rotation: Array = self._gripper_matrix.reshape(3, 3)
        self.object_position: Array = data.xpos[self.cube_body]
        self.object_rotation: Array = data.xmat[self.cube_body].reshape(3, 3)
        self.object_velocity: Array = data.qvel[start : start + 3]
        self.bin_position: Array = data.mocap_pos[self._mocap[scene.BIN]]
        self.obstacle_position: Array = data.mocap_pos[self._mocap[scene.OBSTACLE]]
        self._fingers: Array = data.qpos[self.joint_positions[7] : self.joint_positions[8] + 1]
        self._poses: dict[str, tuple[Array, Array]] = {
            scene.CUBE: (data.xpos[self.cube_body], data.xquat[self.cube_body])
        } | {name: (data.mocap_pos[i], data.mocap_quat[i]) for name, i in self._mocap.items()}

    def reset(self) -> None:
        """Put back model and data to what was compiled, the arm at HOME, the hand open."""
        write_parameters(self.model, self._compiled)
        mujoco.mj_resetData(self.model, self.data)
        self.step, self.held, self.ever_held, self.grip = 0, False, False, 1.0
        self.has_obstacle = True
        self.data.qpos[self.joint_positions] = (*HOME, FINGER_TRAVEL, FINGER_TRAVEL)
        self.data.ctrl[:] = (*HOME, FINGER_TRAVEL)

    def refresh(self) -> None:
        """Bring poses up to date with the joint positions, without touching the dynamics.

        mj_step leaves the poses of one substep earlier.
        """
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    @property
    def gripper_quaternion(self) -> Array:
        """Orientation (4,) wxyz of the gripper."""
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, self._gripper_matrix)
        return quaternion

    @property
    def opening(self) -> float:
        """Distance between the fingers [m], 0 to 0.08."""
        return float(self._fingers[0] + self._fingers[1])

    @property
    def object_extents(self) -> Array:
        """Full extents (3,) of the cube [m]."""
        return 2 * np.asarray(self.model.geom_size[self.cube_geom])

    @property
    def obstacle_extents(self) -> Array:
        """Full extents (3,) of the obstacle [m]."""
        return 2 * np.asarray(self.model.geom_size[self.obstacle_geom])

    def pose(self, name: str) -> tuple[Array, Array]:
        """Position (3,) [m] and quaternion (4,) wxyz of `cube`, `bin` or `obstacle`; views.

        Raises:
            UnknownNameError: it is none of them.
        """
        _require_movable(name)
        return self._poses[name]

    # Setters.

    def place(self, name: str, position: Any, yaw: float = 0.0) -> None:
        """Put `cube`, `bin` or `obstacle` at a position (3,) [m], turned by yaw [rad] about z."""
        quaternion = (np.cos(yaw / 2), 0, 0, np.sin(yaw / 2))
        _require_movable(name)
        if name in self._mocap:
            self.data.mocap_pos[self._mocap[name]] = position
            self.data.mocap_quat[self._mocap[name]] = quaternion
        else:
            start = self.cube_position
            self.data.qpos[start : start + 3] = position
            self.data.qpos[start + 3 : start + 7] = quaternion

    def nudge_object(self, offset: Any) -> None:
        """Move the cube by `offset` (3,) [m] at once, its velocity unchanged."""
        self.data.qpos[self.cube_position : self.cube_position + 3] += offset
        self.refresh()

    def push(self, body: str, force: Any) -> None:
        """Apply a force (3,) [N], world frame, at a body's centre of mass for one control step."""
        self.data.xfrc_applied[self.model.body(body).id, :3] += force

    def clear_pushes(self) -> None:
        """Take away every force that `push` applied."""
        self.data.xfrc_applied[:] = 0

    def set_object_mass(self, mass: float) -> None:
        """Give the cube a mass [kg], above 0; its inertia scales along."""
        scale = mass / self.model.body_mass[self.cube_body]
        self.model.body_mass[self.cube_body] *= scale
        self.model.body_inertia[self.cube_body] *= scale
        self._set_const()

    def set_object_half(self, half: float) -> None:
        """Make the cube 2 * half [m] wide; its mass stays, its inertia follows."""
        self._resize(self.cube_geom, (half,) * 3)
        mass = self.model.body_mass[self.cube_body]
        self.model.body_inertia[self.cube_body] = mass * (2 * half) ** 2 / 6
        self._set_const()

    def set_obstacle_half(self, half: Any) -> None:
        """Give the obstacle half extents (3,) [m]; its centre stays."""
        self._resize(self.obstacle_geom, half)

    def set_friction(self, sliding: float, *, pads: bool = True) -> None:
        """Set the sliding friction of the cube, and of the finger pads.

        MuJoCo takes the larger of two geoms' friction, so a slippery cube needs slippery pads.
        """
        self.model.geom_friction[self.cube_geom, 0] = sliding
        if pads:
            self.model.geom_friction[self.pad_geoms, 0] = sliding

    def set_grip_force(self, limit: float) -> None:
        """Limit the closing force of the hand's drive [N], shared by the two fingers."""
        self.model.actuator_forcerange[self.grip_drive, 0] = -limit

    @property
    def grip_force(self) -> float:
        """Limit of the closing force of the hand's drive [N]."""
        return -float(self.model.actuator_forcerange[self.grip_drive, 0])

    def move_camera(self, name: str, offset: Any, rotation: Any) -> None:
        """Shift a camera by `offset` (3,) [m] and turn it by a rotation vector (3,) [rad].

        Both are in the frame of the body it is fixed to, on top of what was done before.
        """
        index = self.model.camera(name).id
        self.model.cam_pos[index] += offset
        mujoco.mju_quatIntegrate(self.model.cam_quat[index], np.asarray(rotation, float), 1.0)

    def show_obstacle(self, visible: bool) -> None:
        """Let the cameras show the obstacle, or see through it; contacts stay as they are."""
        self.model.geom_rgba[self.obstacle_geom, 3] = float(visible)

    def set_light(self, scale: float) -> None:
        """Scale the strength of every light, the head light excepted."""
        self.model.light_diffuse[:] *= scale

    def _resize(self, geom: int, half: Any) -> None:
        self.model.geom_size[geom] = half
        # Broad-phase collision reads these two and nothing recomputes them.
        self.model.geom_rbound[geom] = np.linalg.norm(self.model.geom_size[geom])
        self.model.geom_aabb[geom, 3:] = self.model.geom_size[geom]

    def _set_const(self) -> None:
        mujoco.mj_setConst(self.model, self._scratch)


_MOVABLE: Final = (scene.CUBE, scene.BIN, scene.OBSTACLE)


def _require_movable(name: str) -> None:
    if name not in _MOVABLE:
        raise UnknownNameError("movable body", name, _MOVABLE)
