"""Which channels a message of the graph fills; the same for the live recorder and for bags."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data import topic_names as topics
from salus_data.joining import assembler as channel
from salus_data.joining.assembler import Assembler
from salus_data.messages import ee_from, image_from, joints_from, perceived_from, stamp_of

Part = Callable[[Any], Any]


def _floats(message: Any) -> NDArray[np.float64]:
    return np.asarray(message.values, np.float64)


PARTS: Final[Mapping[str, Mapping[str, Part]]] = {
    topics.JOINT_STATES: {channel.JOINTS: joints_from},
    topics.EE_POSE: {channel.EE: ee_from},
    topics.PERCEIVED: {channel.PERCEIVED: perceived_from},
    topics.ACTION_PROPOSED: {
        channel.CHUNK_PHASE: lambda message: np.int16(message.chunk_phase),
        channel.ACTION_PROPOSED: _floats,
    },
    topics.ACTION: {
        channel.SUPERVISOR_STATE: lambda message: np.uint8(message.supervisor_state),
        channel.ACTION: _floats,
    },
    topics.UNCERTAINTY: {
        channel.VALIDITY: lambda message: np.asarray(message.validity, np.uint8),
        channel.UNCERTAINTY: _floats,
    },
    topics.EMBEDDING: {channel.EMBEDDING: lambda message: np.asarray(message.values, np.float32)},
}
"""Topic -> channel -> its value in a message of the topic."""

WITHOUT_NUMBER: Final = (topics.JOINT_STATES, topics.EE_POSE)
"""Their messages are of standard types and name no episode and step, as the images' do."""


def step_topics(cameras: tuple[str, ...], *, policy_signals: int, embedding: bool) -> list[str]:
    """Every topic that a row needs a message of."""
    left_out = set()
    if not policy_signals:
        left_out.add(topics.UNCERTAINTY)
    if not embedding:
        left_out.add(topics.EMBEDDING)
    return [topic for topic in PARTS if topic not in left_out] + [
        topics.image_topic(camera) for camera in cameras
    ]


def feed(assembler: Assembler, topic: str, message: Any) -> str | None:
    """Give one message of a step topic to the assembler.

    Returns:
        The episode that became whole with it, if any.

    Raises:
        FormatError: the message is not what the topic carries.
    """
    stamp = stamp_of(message)
    camera = topics.camera_of(topic)
    if camera is not None:
        return assembler.add(channel.image_channel(camera), stamp, image_from(message))
    values = {name: part(message) for name, part in PARTS[topic].items()}
    claim = None
    if topic not in WITHOUT_NUMBER:
        claim = (str(message.episode_id), int(message.step))
        if topic == topics.PERCEIVED:
            assembler.number(stamp, *claim)
    whole = None
    for name, value in values.items():
        whole = assembler.add(name, stamp, value, claim) or whole
    return whole
