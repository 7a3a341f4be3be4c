"""The frames of the simulated robot on /tf and /tf_static, where tf2_msgs is installed."""

from collections.abc import Iterable
from typing import Any, Final

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node

from salus_collector.sim.mounts import Mount
from salus_data.layout import EE_POSITION, EE_QUATERNION
from salus_ros import topics
from salus_ros.transforms import transform_message

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # not among the ROS wheels
    TFMessage = None

DEPTH: Final = 100
"""Of the queue of /tf, as tf2_ros has it."""


def fixed_frames(mounts: Iterable[Mount]) -> list[TransformStamped]:
    """What never moves: the base in the world, and each camera on what carries it."""
    frames = [
        transform_message(topics.WORLD_FRAME, topics.BASE_FRAME, (0, 0, 0), (0, 0, 0, 1)),
    ]
    for mount in mounts:
        parent = topics.EE_FRAME if mount.on_gripper else topics.BASE_FRAME
        child = topics.optical_frame(mount.camera)
        frames.append(transform_message(parent, child, mount.position, mount.quaternion))
    return frames


class TransformPublisher:
    """Publishes frames; does nothing where tf2_msgs is missing.

    Args:
        node: that publishes.
        mounts: of the cameras.
    """

    def __init__(self, node: Node, mounts: Iterable[Mount]) -> None:
        self._moving: Any = None
        if TFMessage is None:
            return
        self._moving = node.create_publisher(TFMessage, "/tf", DEPTH)
        fixed = node.create_publisher(TFMessage, "/tf_static", topics.LATCHED_QOS)
        fixed.publish(TFMessage(transforms=fixed_frames(mounts)))

    def publish(self, state: Any, stamp: int) -> None:
        """Publish where the gripper is by a state (34,), if somebody listens; stamp in ns."""
        if self._moving is None or not self._moving.get_subscription_count():
            return
        frame = transform_message(
            topics.BASE_FRAME, topics.EE_FRAME, state[EE_POSITION], state[EE_QUATERNION], stamp
        )
        self._moving.publish(TFMessage(transforms=[frame]))
