"""Names and quality of service of the topics. Names are relative: robots run side by side.

`docs/ARCHITECTURE.md` describes them. A reliable queue is deep enough for one whole episode: at
most one episode is under way before the recorder has answered, so a slow subscriber loses nothing.
"""

from typing import Final

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from salus_data.topic_names import (
    ACTION,
    ACTION_PROPOSED,
    CHUNK,
    CHUNK_PATH,
    CLOCK,
    CONTRACT,
    DIAGNOSTICS,
    EE_POSE,
    EMBEDDING,
    EPISODE,
    FORECAST,
    JOINT_STATES,
    NAMESPACE,
    PERCEIVED,
    RECORDING,
    RISK_MARKERS,
    SCENE,
    SUPERVISOR,
    UNCERTAINTY,
    WARNING,
    camera_info_topic,
    image_topic,
)

__all__ = [
    "ACTION",
    "ACTION_PROPOSED",
    "BASE_FRAME",
    "CHUNK",
    "CHUNK_PATH",
    "CLOCK",
    "CONTRACT",
    "DIAGNOSTICS",
    "EE_FRAME",
    "EE_POSE",
    "EMBEDDING",
    "EPISODE",
    "EPISODE_DEPTH",
    "EVENT_QOS",
    "FORECAST",
    "JOINT_STATES",
    "LATCHED_QOS",
    "NAMESPACE",
    "PERCEIVED",
    "RECORDING",
    "RISK_MARKERS",
    "SCENE",
    "STEP_QOS",
    "SUPERVISOR",
    "UNCERTAINTY",
    "WARNING",
    "WORLD_FRAME",
    "camera_info_topic",
    "image_topic",
    "optical_frame",
]

WORLD_FRAME: Final = "world"
BASE_FRAME: Final = "base_link"
EE_FRAME: Final = "gripper_tcp"


def optical_frame(camera: str) -> str:
    """The optical frame of a camera (REP 105): z forward, x right, y down."""
    return f"camera_{camera}_optical_frame"


EPISODE_DEPTH: Final = 1000
"""Messages a reliable queue holds: the steps of one episode, with room."""

STEP_QOS: Final = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=EPISODE_DEPTH,
    reliability=ReliabilityPolicy.RELIABLE,
)
"""For what is published every step."""

LATCHED_QOS: Final = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""For what a late node must still hear: the last one is kept."""

EVENT_QOS: Final = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=10,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""For episode events: several may follow each other before a subscriber wakes."""
