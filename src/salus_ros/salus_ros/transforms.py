"""Frames as messages of geometry_msgs, which tf2_msgs only wraps."""

from collections.abc import Iterable

from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3

from salus_ros.convert import header


def transform_message(
    parent: str,
    child: str,
    position: Iterable[float],
    quaternion: Iterable[float],
    nanoseconds: int = 0,
) -> TransformStamped:
    """Where one frame is in another.

    Args:
        parent: frame in which the pose is given.
        child: frame that it is of.
        position: (3,) [m].
        quaternion: (4,) xyzw, of unit length.
        nanoseconds: when; 0 for a frame that never moves.
    """
    x, y, z = map(float, position)
    qx, qy, qz, qw = map(float, quaternion)
    return TransformStamped(
        header=header(nanoseconds, parent),
        child_frame_id=child,
        transform=Transform(
            translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)
        ),
    )
