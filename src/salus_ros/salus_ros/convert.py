"""Arrays of the dataset to messages; the way back is `salus_data.messages`, which needs no ROS."""

import array
import sys
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, Vector3
from nav_msgs.msg import Path
from numpy.typing import NDArray
from salus_msgs.msg import PerceivedObjects
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

from salus_data.layout import (
    EE_POSITION,
    EE_QUATERNION,
    EFFORT,
    JOINTS,
    OBJECTS,
    POSITION,
    VELOCITY,
)
from salus_data.messages import (
    NANOSECONDS,
    ee_from,
    image_from,
    joints_from,
    perceived_from,
    to_nanoseconds,
)
from salus_ros.topics import BASE_FRAME

__all__ = [
    "NANOSECONDS",
    "ee_from",
    "ee_pose_message",
    "header",
    "image_from",
    "image_message",
    "joint_state_message",
    "joints_from",
    "perceived_from",
    "perceived_message",
    "set_stamp",
    "to_nanoseconds",
    "to_stamp",
]

Array = NDArray[np.float64]


def to_stamp(nanoseconds: int) -> Time:
    """The inverse of `to_nanoseconds`."""
    return Time(sec=nanoseconds // NANOSECONDS, nanosec=nanoseconds % NANOSECONDS)


def set_stamp(stamp: Time, nanoseconds: int) -> None:
    """Set the time of a message that is filled anew."""
    stamp.sec, stamp.nanosec = divmod(nanoseconds, NANOSECONDS)


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


def path_message(points: Array, nanoseconds: int) -> Path:
    """Positions (N, 3) m in the base frame as a path for viewers; orientations are unit."""
    place = header(nanoseconds, BASE_FRAME)
    unit = (0.0, 0.0, 0.0, 1.0)
    poses = [PoseStamped(header=place, pose=_pose(point, unit)) for point in points]
    return Path(header=place, poses=poses)


def image_message(image: NDArray[np.uint8], nanoseconds: int, frame: str) -> Image:
    """An image (H, W, 3) uint8, RGB."""
    height, width, _ = image.shape
    # Only with checks on is an array.array taken over; without, the setter copies it once more.
    message = Image(
        check_fields=True,
        header=header(nanoseconds, frame),
        height=height,
        width=width,
        encoding="rgb8",
        is_bigendian=int(sys.byteorder == "big"),
        step=3 * width,
    )
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(image).data.cast("B"))
    message.data = data
    return message


def _pose(position: Any, quaternion: Any) -> Pose:
    x, y, z = map(float, position)
    qx, qy, qz, qw = map(float, quaternion)
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))
