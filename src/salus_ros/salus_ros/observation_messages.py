"""The messages of an observation, made once and filled anew at every step.

Publishing copies a message before it returns, so its object is free for the next step. Making one
costs more than publishing it: constructors fill in every default, and an image is copied twice.
"""

import array

import numpy as np
from geometry_msgs.msg import Pose, PoseStamped
from numpy.typing import NDArray
from rosgraph_msgs.msg import Clock
from salus_msgs.msg import PerceivedObjects
from sensor_msgs.msg import Image, JointState

from salus_data.layout import EE_POSITION, EE_QUATERNION, EFFORT, POSITION, VELOCITY
from salus_ros import convert

Array = NDArray[np.float64]


class ObservationMessages:
    """Fills messages; each method returns the same object every time, until the next call."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._joints: JointState | None = None
        self._ee: PoseStamped | None = None
        self._perceived: PerceivedObjects | None = None
        self._images: dict[str, tuple[Image, NDArray[np.uint8]]] = {}

    def clock(self, nanoseconds: int) -> Clock:
        """Simulated time [ns]."""
        convert.set_stamp(self._clock.clock, nanoseconds)
        return self._clock

    def joint_state(self, state: Array, nanoseconds: int) -> JointState:
        """The joints' part of a state (34,)."""
        message = self._joints
        if message is None:
            message = self._joints = convert.joint_state_message(state, nanoseconds)
            return message
        convert.set_stamp(message.header.stamp, nanoseconds)
        message.position = array.array("d", state[POSITION].tolist())
        message.velocity = array.array("d", state[VELOCITY].tolist())
        message.effort = array.array("d", state[EFFORT].tolist())
        return message

    def ee_pose(self, state: Array, nanoseconds: int) -> PoseStamped:
        """The gripper's part of a state (34,)."""
        message = self._ee
        if message is None:
            message = self._ee = convert.ee_pose_message(state, nanoseconds)
            return message
        convert.set_stamp(message.header.stamp, nanoseconds)
        _set_pose(message.pose, [*state[EE_POSITION].tolist(), *state[EE_QUATERNION].tolist()])
        return message

    def perceived(
        self, perceived: Array, nanoseconds: int, episode_id: str, step: int
    ) -> PerceivedObjects:
        """A perceived scene (30,), which also numbers the observation."""
        message = self._perceived
        if message is None:
            message = self._perceived = convert.perceived_message(
                perceived, nanoseconds, episode_id, step
            )
            return message
        convert.set_stamp(message.header.stamp, nanoseconds)
        message.episode_id, message.step = episode_id, step
        rows = perceived.reshape(len(message.poses), -1).tolist()
        for row, pose, size in zip(rows, message.poses, message.sizes, strict=True):
            _set_pose(pose, row)
            size.x, size.y, size.z = row[7:]
        return message

    def image(self, image: NDArray[np.uint8], nanoseconds: int, frame: str) -> Image:
        """An image (H, W, 3) uint8, RGB, of the camera with that optical frame."""
        message, pixels = self._images.get(frame, (None, None))
        if message is None or pixels is None or pixels.shape != image.shape:
            message = convert.image_message(image, nanoseconds, frame)
            # Written through this view; the message holds the array itself.
            self._images[frame] = (
                message,
                np.frombuffer(message.data, np.uint8).reshape(image.shape),
            )
            return message
        convert.set_stamp(message.header.stamp, nanoseconds)
        pixels[:] = image
        return message


def _set_pose(pose: Pose, row: list[float]) -> None:
    """Fill a pose from position and quaternion xyzw, the first seven of a row."""
    position, orientation = pose.position, pose.orientation
    position.x, position.y, position.z = row[:3]
    orientation.x, orientation.y, orientation.z, orientation.w = row[3:7]
