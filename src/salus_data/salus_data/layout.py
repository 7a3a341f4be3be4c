"""The columns of `state` and `perceived` for an arm with a two-finger hand, in their order.

The same order fills the store, the messages and the inputs of the robot's own signals.
"""

from typing import Final

from salus_data.contract import Column

JOINTS: Final = (*(f"joint{i}" for i in range(1, 8)), "finger_left", "finger_right")
"""Joint names of sensor_msgs/JointState; the two fingers are prismatic [m, m/s, N]."""

OBJECTS: Final = ("object", "obstacle", "bin")
"""What the policy perceives; one that it does not see is NaN."""


def _joint_columns() -> tuple[Column, ...]:
    units = {"position": ("rad", "m"), "velocity": ("rad/s", "m/s"), "effort": ("Nm", "N")}
    return tuple(
        Column(f"{joint}.{quantity}", finger if joint.startswith("finger") else arm)
        for quantity, (arm, finger) in units.items()
        for joint in JOINTS
    )


_POSE: Final = (
    *((axis, "m") for axis in ("x", "y", "z")),
    *((axis, "1") for axis in ("qx", "qy", "qz", "qw")),
)

STATE: Final = (*_joint_columns(), *(Column(f"ee.{axis}", unit) for axis, unit in _POSE))
"""Positions, velocities and efforts (9 each), then the gripper's pose in the base frame: (34,)."""

PERCEIVED: Final = tuple(
    Column(f"{name}.{axis}", unit, optional=True)
    for name in OBJECTS
    for axis, unit in (*_POSE, *((size, "m") for size in ("sx", "sy", "sz")))
)
"""Pose (xyz, quaternion xyzw) and full extents of every object, in the base frame: (30,)."""

POSITION: Final = slice(0, 9)
VELOCITY: Final = slice(9, 18)
EFFORT: Final = slice(18, 27)
EE_POSITION: Final = slice(27, 30)
EE_QUATERNION: Final = slice(30, 34)


def object_slice(name: str) -> slice:
    """Where pose and extents (10,) of `name`, one of OBJECTS, stand in `perceived`."""
    start = 10 * OBJECTS.index(name)
    return slice(start, start + 10)
