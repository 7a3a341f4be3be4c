"""Names and quality of service of the topics. Names are relative: robots run side by side.

`docs/ARCHITECTURE.md` describes them. A reliable queue is deep enough for one whole episode: at
most one episode is under way before the recorder has answered, so a slow subscriber loses nothing.
"""

from typing import Final

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

CLOCK: Final = "/clock"
DIAGNOSTICS: Final = "/diagnostics"
JOINT_STATES: Final = "joint_states"
EE_POSE: Final = "ee_pose"
PERCEIVED: Final = "perceived"
EPISODE: Final = "episode"
CONTRACT: Final = "contract"
ACTION_PROPOSED: Final = "action_proposed"
ACTION: Final = "action"
CHUNK: Final = "chunk"
CHUNK_PATH: Final = "chunk_path"
UNCERTAINTY: Final = "uncertainty"
EMBEDDING: Final = "embedding"
FORECAST: Final = "forecast"
WARNING: Final = "warning"
SUPERVISOR: Final = "supervisor"
RECORDING: Final = "recording"
SCENE: Final = "scene"

NAMESPACE: Final = "/salus"
BASE_FRAME: Final = "base_link"
EE_FRAME: Final = "gripper_tcp"


def image_topic(camera: str) -> str:
    """The topic of a camera's images."""
    return f"camera/{camera}/image_raw"


def camera_info_topic(camera: str) -> str:
    """The topic of a camera's calibration."""
    return f"camera/{camera}/camera_info"


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
