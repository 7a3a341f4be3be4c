"""What a bag records: every topic of the graph but the scene's markers, with its type and QoS.

config/bag_topics.txt and config/bag_qos.yaml say the same to `ros2 bag record`.
"""

from typing import Any, Final, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Path
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosgraph_msgs.msg import Clock
from salus_msgs.msg import (
    ActionChunk,
    Contract,
    EpisodeEvent,
    FailureForecast,
    FailureWarning,
    PerceivedObjects,
    PolicyAction,
    PolicyEmbedding,
    PolicyUncertainty,
    RecordingStatus,
    SupervisorState,
)
from sensor_msgs.msg import CameraInfo, Image, JointState

from salus_ros import topics

CLOCK_QOS: Final = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE
)


class RecordedTopic(NamedTuple):
    """A topic, the class of its messages and the QoS that its publisher offers."""

    name: str
    message: Any
    qos: QoSProfile

    @property
    def type_name(self) -> str:
        """`package/msg/Name`."""
        return f"{self.message.__module__.split('.')[0]}/msg/{self.message.__name__}"


RECORDED: Final = (
    RecordedTopic(topics.CLOCK, Clock, CLOCK_QOS),
    RecordedTopic(topics.CONTRACT, Contract, topics.LATCHED_QOS),
    RecordedTopic(topics.EPISODE, EpisodeEvent, topics.EVENT_QOS),
    RecordedTopic(topics.JOINT_STATES, JointState, topics.STEP_QOS),
    RecordedTopic(topics.EE_POSE, PoseStamped, topics.STEP_QOS),
    RecordedTopic(topics.PERCEIVED, PerceivedObjects, topics.STEP_QOS),
    RecordedTopic(topics.ACTION_PROPOSED, PolicyAction, topics.STEP_QOS),
    RecordedTopic(topics.ACTION, PolicyAction, topics.STEP_QOS),
    RecordedTopic(topics.CHUNK, ActionChunk, topics.STEP_QOS),
    RecordedTopic(topics.CHUNK_PATH, Path, topics.STEP_QOS),
    RecordedTopic(topics.UNCERTAINTY, PolicyUncertainty, topics.STEP_QOS),
    RecordedTopic(topics.EMBEDDING, PolicyEmbedding, topics.STEP_QOS),
    RecordedTopic(topics.FORECAST, FailureForecast, topics.STEP_QOS),
    RecordedTopic(topics.WARNING, FailureWarning, topics.STEP_QOS),
    RecordedTopic(topics.SUPERVISOR, SupervisorState, topics.LATCHED_QOS),
    RecordedTopic(topics.RECORDING, RecordingStatus, topics.LATCHED_QOS),
    RecordedTopic(topics.DIAGNOSTICS, DiagnosticArray, CLOCK_QOS),
)
"""Of every graph; each camera of the contract adds two."""


def camera_topics(camera: str) -> tuple[RecordedTopic, RecordedTopic]:
    """Images and calibration of one camera."""
    return (
        RecordedTopic(topics.image_topic(camera), Image, topics.STEP_QOS),
        RecordedTopic(topics.camera_info_topic(camera), CameraInfo, topics.STEP_QOS),
    )


def qos_override(profile: QoSProfile) -> dict[str, Any]:
    """A profile as `ros2 bag record --qos-profile-overrides-path` reads it."""
    latched = profile.durability is DurabilityPolicy.TRANSIENT_LOCAL
    return {
        "history": "keep_last",
        "depth": profile.depth,
        "reliability": "reliable",
        "durability": "transient_local" if latched else "volatile",
    }


def offered(profile: QoSProfile) -> Qos:
    """A profile as the library rosbags writes it."""
    forever = QosTime(9223372036, 854775807)
    latched = profile.durability is DurabilityPolicy.TRANSIENT_LOCAL
    reliable = profile.reliability is ReliabilityPolicy.RELIABLE
    last = profile.history is HistoryPolicy.KEEP_LAST
    return Qos(
        QosHistory.KEEP_LAST if last else QosHistory.KEEP_ALL,
        profile.depth,
        QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        forever,
        forever,
        QosLiveliness.AUTOMATIC,
        forever,
        False,
    )
