"""Messages to arrays and back; the arrays are those of the dataset (docs/DATA_FORMAT.md)."""

import array
import sys
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, Vector3
from numpy.typing import NDArray
from salus_msgs.msg import PerceivedObjects
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

from salus_data.errors import FormatError
from salus_data.layout import (
    EE_POSITION,
    EE_QUATERNION,
    EFFORT,
    JOINTS,
    OBJECTS,
    POSITION,
    VELOCITY,
)
from salus_ros.topics import BASE_FRAME

Array = NDArray[np.float64]
NANOSECONDS = 1_000_000_000


def to_nanoseconds(stamp: Time) -> int:
    """A stamp as whole nanoseconds."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def to_stamp(nanoseconds: int) -> Time:
    """The inverse of `to_nanoseconds`."""
    return Time(sec=nanoseconds // NANOSECONDS, nanosec=nanoseconds % NANOSECONDS)


def header(nanoseconds: int, frame: str = "") -> Header:
    """A header with that stamp and frame."""
    return Header(stamp=to_stamp(nanoseconds), frame_id=frame)


def joint_state_message(state: Array, nanoseconds: int) -> JointState:
    """The joints' part of a state (34,)."""
    return JointState(
        header=header(nanoseconds, BASE_FRAME),
        name=list(JOINTS),
        position=state[POSITION].tolist(),
        velocity=state[VELOCITY].tolist(),
        effort=state[EFFORT].tolist(),
    )


def ee_pose_message(state: Array, nanoseconds: int) -> PoseStamped:
    """The gripper's part of a state (34,)."""
    return PoseStamped(
        header=header(nanoseconds, BASE_FRAME),
        pose=_pose(state[EE_POSITION], state[EE_QUATERNION]),
    )


def joints_from(message: JointState) -> Array:
    """The first (27,) of a state: positions, velocities and efforts in the order of JOINTS.

    Raises:
        FormatError: a joint is missing, or a quantity is not given for every joint.
    """
    try:
        order = [message.name.index(joint) for joint in JOINTS]
    except ValueError:
        raise FormatError(
            f"joint_states has joints {list(message.name)}; needs {list(JOINTS)}"
        ) from None
    for quantity in ("position", "velocity", "effort"):
        if len(getattr(message, quantity)) != len(message.name):
            raise FormatError(f"joint_states gives no {quantity} for every joint")
    parts = (message.position, message.velocity, message.effort)
    return np.concatenate([np.asarray(part, np.float64)[order] for part in parts])


def ee_from(message: PoseStamped) -> Array:
    """The last (7,) of a state: position and quaternion xyzw."""
    return _pose_values(message.pose)


def perceived_message(
    perceived: Array, nanoseconds: int, episode_id: str, step: int
) -> PerceivedObjects:
    """A perceived scene (30,), which also numbers the observation."""
    rows = perceived.reshape(len(OBJECTS), 10)
    return PerceivedObjects(
        header=header(nanoseconds, BASE_FRAME),
        episode_id=episode_id,
        step=step,
        names=list(OBJECTS),
        poses=[_pose(row[:3], row[3:7]) for row in rows],
        sizes=[Vector3(x=float(r[7]), y=float(r[8]), z=float(r[9])) for r in rows],
    )


def perceived_from(message: PerceivedObjects) -> Array:
    """The inverse of `perceived_message`; objects that are not in the message are NaN.

    Raises:
        FormatError: an object is unknown, or names, poses and sizes differ in number.
    """
    rows = np.full((len(OBJECTS), 10), np.nan)
    if not len(message.names) == len(message.poses) == len(message.sizes):
        raise FormatError(
            f"perceived has {len(message.names)} names, {len(message.poses)} poses and "
            f"{len(message.sizes)} sizes"
        )
    for name, pose, size in zip(message.names, message.poses, message.sizes, strict=True):
        if name not in OBJECTS:
            raise FormatError(f"perceived names {name!r}; known: {', '.join(OBJECTS)}")
        rows[OBJECTS.index(name), :7] = _pose_values(pose)
        rows[OBJECTS.index(name), 7:] = size.x, size.y, size.z
    return rows.reshape(-1)


def image_message(image: NDArray[np.uint8], nanoseconds: int, frame: str) -> Image:
    """An image (H, W, 3) uint8, RGB."""
    height, width, _ = image.shape
    message = Image(
        header=header(nanoseconds, frame),
        height=height,
        width=width,
        encoding="rgb8",
        is_bigendian=int(sys.byteorder == "big"),
        step=3 * width,
    )
    # Only an array.array of bytes is taken over without a check of every element.
    message.data = array.array("B", np.ascontiguousarray(image).tobytes())
    return message


def image_from(message: Image) -> NDArray[np.uint8]:
    """The image as (H, W, 3) uint8 RGB, a view of the message's bytes.

    Raises:
        FormatError: the encoding is not rgb8, or the size does not fit the data.
    """
    if message.encoding != "rgb8":
        raise FormatError(f"image encoding is {message.encoding!r}; SALUS records rgb8")
    data = np.frombuffer(message.data, np.uint8)
    if data.size != message.height * message.width * 3:
        raise FormatError(
            f"image of {message.width} x {message.height} has {data.size} bytes, "
            f"not {message.height * message.width * 3}"
        )
    return data.reshape(message.height, message.width, 3)


def _pose(position: Any, quaternion: Any) -> Pose:
    x, y, z = map(float, position)
    qx, qy, qz, qw = map(float, quaternion)
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def _pose_values(pose: Pose) -> Array:
    p, q = pose.position, pose.orientation
    return np.array([p.x, p.y, p.z, q.x, q.y, q.z, q.w])
