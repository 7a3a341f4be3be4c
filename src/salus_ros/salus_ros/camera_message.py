"""A camera's calibration as a message."""

import math

from sensor_msgs.msg import CameraInfo

from salus_ros.convert import header


def camera_info_message(size: int, fovy: float, nanoseconds: int, frame: str) -> CameraInfo:
    """The calibration of an ideal pinhole camera with square images.

    Args:
        size: side of the image [px].
        fovy: vertical field of view [rad].
        nanoseconds: stamp of the image it belongs to.
        frame: its optical frame.
    """
    focal = 0.5 * size / math.tan(0.5 * fovy)
    centre = 0.5 * size
    return CameraInfo(
        header=header(nanoseconds, frame),
        height=size,
        width=size,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[focal, 0.0, centre, 0.0, focal, centre, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[focal, 0.0, centre, 0.0, 0.0, focal, centre, 0.0, 0.0, 0.0, 1.0, 0.0],
    )
