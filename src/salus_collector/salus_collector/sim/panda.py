"""The Franka Emika Panda with its hand, as MjSpec bodies.

Frames, inertias and joint ranges are those of `franka_emika_panda/panda.xml` in the MuJoCo
Menagerie (Apache-2.0), which took them from the identified dynamic model of the arm. Servo gains
are lower than the Menagerie's: the controller sends a new target every substep, and stiffer servos
turn a touch into a blow.
"""

from dataclasses import dataclass
from typing import Any, Final

import mujoco
import numpy as np

from salus_collector.sim.meshes import mesh_files

HOME: Final = (0.0, -0.2, 0.0, -2.2, 0.0, 2.0, 0.785398)
"""Joint positions [rad] at which an episode starts: hand over the table, fingers down."""

ARM_JOINTS: Final = tuple(f"joint{i}" for i in range(1, 8))
FINGER_JOINTS: Final = ("finger_left", "finger_right")
FINGER_TRAVEL: Final = 0.04
"""Travel of each finger [m]; the hand opens to twice that."""

ROBOT, WORLD = 1, 2
"""Collision bits: the robot meets the world, never itself."""

SHOWN_GROUP, HIDDEN_GROUP = 2, 3
WHITE: Final = (0.90, 0.91, 0.93, 1.0)
GREY: Final = (0.72, 0.74, 0.77, 1.0)
DARK: Final = (0.20, 0.21, 0.23, 1.0)


@dataclass(frozen=True)
class _Link:
    name: str
    position: tuple[float, float, float]  # in the parent's frame [m]
    turn: tuple[float, float]  # w and x of the quaternion, not normalised: turns about x only
    mass: float  # [kg]
    centre: tuple[float, float, float]  # of mass [m]
    inertia: tuple[float, ...]  # xx yy zz xy xz yz [kg m2]
    joint: tuple[float, float] | None  # range [rad]


_LINKS: Final = (
    _Link(
        "link0",
        (0, 0, 0),
        (1, 0),
        0.629769,
        (-0.041018, -0.00014, 0.049974),
        (0.00315, 0.00388, 0.004285, 8.2904e-7, 0.00015, 8.2299e-6),
        None,
    ),
    _Link(
        "link1",
        (0, 0, 0.333),
        (1, 0),
        4.970684,
        (0.003875, 0.002081, -0.04762),
        (0.70337, 0.70661, 0.0091170, -0.00013900, 0.0067720, 0.019169),
        (-2.8973, 2.8973),
    ),
    _Link(
        "link2",
        (0, 0, 0),
        (1, -1),
        0.646926,
        (-0.003141, -0.02872, 0.003495),
        (0.0079620, 0.02811, 0.025995, -0.003925, 0.010254, 0.000704),
        (-1.7628, 1.7628),
    ),
    _Link(
        "link3",
        (0, -0.316, 0),
        (1, 1),
        3.228604,
        (0.027518, 0.039252, -0.066502),
        (0.037242, 0.036155, 0.01083, -0.004761, -0.011396, -0.012805),
        (-2.8973, 2.8973),
    ),
    _Link(
        "link4",
        (0.0825, 0, 0),
        (1, 1),
        3.587895,
        (-0.05317, 0.104419, 0.027454),
        (0.025853, 0.019552, 0.028323, 0.007796, -0.001332, 0.008641),
        (-3.0718, -0.0698),
    ),
    _Link(
        "link5",
        (-0.0825, 0.384, 0),
        (1, -1),
        1.225946,
        (-0.011953, 0.041065, -0.038437),
        (0.035549, 0.029474, 0.008627, -0.002117, -0.004037, 0.000229),
        (-2.8973, 2.8973),
    ),
    _Link(
        "link6",
        (0, 0, 0),
        (1, 1),
        1.666555,
        (0.060149, -0.014117, -0.010517),
        (0.001964, 0.004354, 0.005433, 0.000109, -0.001158, 0.000341),
        (-0.0175, 3.7525),
    ),
    _Link(
        "link7",
        (0.088, 0, 0),
        (1, 1),
        0.735522,
        (0.010517, -0.004252, 0.061597),
        (0.012516, 0.010027, 0.004815, -0.000428, -0.001196, -0.000741),
        (-2.8973, 2.8973),
    ),
)

# Servo stiffness [Nm/rad], damping as a share of it [s], and the torque limits of the arm [Nm].
_STIFFNESS: Final = (1500.0, 1500.0, 1200.0, 1200.0, 500.0, 500.0, 400.0)
_DAMPING_SHARE: Final = 0.06
_TORQUE: Final = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)

GRIP_FORCE: Final = 60.0
"""Limit of the hand's drive [N], shared by the two fingers."""


def add_panda(spec: Any) -> None:
    """Add arm, hand, fingers, actuators, the wrist camera and the site `tcp` to an MjSpec."""
    files = mesh_files()
    for name, path in files.items():
        mesh = spec.add_mesh()
        mesh.name, mesh.file = name, str(path)
    flange = _add_arm(spec)
    hand = _add_hand(flange)
    for side, quaternion in (("left", (1, 0, 0, 0)), ("right", (0, 0, 0, 1))):
        _add_finger(hand, side, quaternion)
    _add_wrist_camera(hand)
    _add_drives(spec)


def _shown_mesh(body: Any, name: str, mesh: str, rgba: tuple[float, ...]) -> Any:
    geom = body.add_geom()
    geom.name, geom.type, geom.meshname = name, mujoco.mjtGeom.mjGEOM_MESH, mesh
    geom.group, geom.rgba, geom.mass = SHOWN_GROUP, rgba, 0
    geom.contype, geom.conaffinity = ROBOT, WORLD
    return geom


def _add_arm(spec: Any) -> Any:
    body = spec.worldbody
    for index, link in enumerate(_LINKS):
        body = body.add_body()
        body.name, body.pos = link.name, link.position
        body.quat = np.array((*link.turn, 0, 0)) / np.linalg.norm(link.turn)
        body.mass, body.ipos, body.fullinertia = link.mass, link.centre, link.inertia
        body.explicitinertial, body.gravcomp = True, 1
        if link.joint is not None:
            joint = body.add_joint()
            joint.name, joint.axis, joint.range = f"joint{index}", (0, 0, 1), link.joint
            joint.armature, joint.damping = 0.1, (1, 0, 0)
        _shown_mesh(body, link.name, link.name, WHITE if index % 2 == 0 else GREY)
    return body


def _add_hand(flange: Any) -> Any:
    hand = flange.add_body()
    hand.name, hand.pos, hand.quat = "hand", (0, 0, 0.107), (0.9238795, 0, 0, -0.3826834)
    hand.mass, hand.ipos, hand.inertia = 0.73, (-0.01, 0, 0.03), (0.001, 0.0025, 0.0017)
    hand.explicitinertial, hand.gravcomp = True, 1
    _shown_mesh(hand, "hand", "hand", WHITE)
    site = hand.add_site()
    site.name, site.pos = "tcp", (0, 0, 0.1034)
    return hand


def _add_finger(hand: Any, side: str, quaternion: tuple[int, ...]) -> None:
    finger = hand.add_body()
    finger.name, finger.pos, finger.quat = f"{side}_finger", (0, 0, 0.0584), quaternion
    finger.mass, finger.inertia = 0.015, (2.375e-6, 2.375e-6, 7.5e-7)
    finger.explicitinertial, finger.gravcomp = True, 1
    joint = finger.add_joint()
    joint.name, joint.type, joint.axis = f"finger_{side}", mujoco.mjtJoint.mjJNT_SLIDE, (0, 1, 0)
    joint.range, joint.armature, joint.damping = (0, FINGER_TRAVEL), 0.1, (10, 0, 0)
    shown = _shown_mesh(finger, f"{side}_finger", "finger", DARK)
    shown.contype = shown.conaffinity = 0
    # Boxes stand for the finger in contact: a mesh's convex hull would bridge the step below the
    # pad and hold objects that a real finger does not.
    for part, position, size in (
        ("upper", (0, 0.013, 0.02), (0.01, 0.012, 0.02)),
        ("pad", (0, 0.0055, 0.0445), (0.0085, 0.0055, 0.0085)),
    ):
        box = finger.add_geom()
        box.name, box.type, box.pos, box.size = (
            f"{side}_{part}",
            mujoco.mjtGeom.mjGEOM_BOX,
            position,
            size,
        )
        box.contype, box.conaffinity, box.group, box.mass = ROBOT, WORLD, HIDDEN_GROUP, 0
        if part == "pad":
            box.friction, box.condim, box.solref = (1.0, 0.05, 0.0005), 4, (0.01, 1)


def _add_wrist_camera(hand: Any) -> None:
    camera = hand.add_camera()
    camera.name, camera.pos, camera.fovy = "wrist", (0.10, 0, 0.05), 75
    backward = np.array((0.8, 0, -1.0)) / np.linalg.norm((0.8, 0, -1.0))
    up = np.array((-1.0, 0, 0))
    up -= backward * (backward @ up)
    camera.quat = _quaternion(up / np.linalg.norm(up), backward)


def _quaternion(up: Any, backward: Any) -> Any:
    """The camera orientation wxyz (4,) with these unit vectors (3,) as its y and z axes."""
    quaternion = np.empty(4)
    axes = np.stack((np.cross(up, backward), up, backward), axis=1)
    mujoco.mju_mat2Quat(quaternion, axes.ravel())
    return quaternion


def look_at(position: tuple[float, ...], target: tuple[float, ...]) -> Any:
    """The orientation wxyz (4,) of a camera at `position` that looks at `target`, z up."""
    backward = np.subtract(position, target)
    backward = backward / np.linalg.norm(backward)
    right = np.cross((0, 0, 1), backward)
    right /= np.linalg.norm(right)
    return _quaternion(np.cross(backward, right), backward)


def _add_drives(spec: Any) -> None:
    tendon = spec.add_tendon()
    tendon.name = "fingers"
    for joint in FINGER_JOINTS:
        tendon.wrap_joint(joint, 0.5)
    mirror = spec.add_equality()
    mirror.type, mirror.objtype = mujoco.mjtEq.mjEQ_JOINT, mujoco.mjtObj.mjOBJ_JOINT
    mirror.name1, mirror.name2 = FINGER_JOINTS
    mirror.data[:2] = (0, 1)
    mirror.solref, mirror.solimp[:3] = (0.005, 1), (0.95, 0.99, 0.001)
    for link, stiffness, torque in zip(_LINKS[1:], _STIFFNESS, _TORQUE, strict=True):
        assert link.joint is not None
        joint = link.name.replace("link", "joint")
        drive = _servo(spec, joint, stiffness, stiffness * _DAMPING_SHARE, torque, link.joint)
        drive.trntype = mujoco.mjtTrn.mjTRN_JOINT
    grip = _servo(spec, "fingers", 2000.0, 80.0, GRIP_FORCE, (0.0, FINGER_TRAVEL))
    grip.trntype = mujoco.mjtTrn.mjTRN_TENDON


def _servo(
    spec: Any,
    target: str,
    stiffness: float,
    damping: float,
    limit: float,
    control: tuple[float, float],
) -> Any:
    drive = spec.add_actuator()
    drive.name, drive.target = target, target
    drive.gaintype, drive.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
    drive.gainprm = (stiffness, *(0,) * 9)
    drive.biasprm = (0, -stiffness, -damping, *(0,) * 7)
    drive.forcerange, drive.ctrlrange = (-limit, limit), control
    return drive
