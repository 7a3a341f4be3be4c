"""Subscribing to images without the copies that an object of each would cost."""

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import Image

from salus_data.errors import FormatError
from salus_data.wire_image import WireImage, decode_image
from salus_ros.topics import STEP_QOS


def subscribe_to_images(node: Node, topic: str, hear: Callable[[WireImage], None]) -> Any:
    """Subscribe to a camera.

    Args:
        node: that subscribes.
        topic: of sensor_msgs/Image.
        hear: gets each image; what cannot be read is told in the log and left out.
    """

    def heard(data: Any) -> None:
        try:
            image = decode_image(data)
        except FormatError as error:
            node.get_logger().error(f"{topic}: {error}", throttle_duration_sec=1.0)
            return
        hear(image)

    return node.create_subscription(Image, topic, heard, STEP_QOS, raw=True)
