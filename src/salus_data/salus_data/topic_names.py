"""Names of the topics, relative to the namespace; docs/ARCHITECTURE.md describes them."""

from typing import Final

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
RISK_MARKERS: Final = "risk_markers"

NAMESPACE: Final = "/salus"

_IMAGE_PARTS: Final = ("camera/", "/image_raw")


def image_topic(camera: str) -> str:
    """The topic of a camera's images."""
    return f"camera/{camera}/image_raw"


def camera_info_topic(camera: str) -> str:
    """The topic of a camera's calibration."""
    return f"camera/{camera}/camera_info"


def camera_of(topic: str) -> str | None:
    """The camera whose images a topic carries; None where it carries none."""
    start, end = _IMAGE_PARTS
    name = topic.removeprefix(start).removesuffix(end)
    return name if topic == image_topic(name) and name else None
