"""A recording of the black box as a bag, all of it or nothing."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from rosbags.interfaces import Qos
from rosbags.typesys.store import Typestore

from salus_data.bags.black_box import Recording
from salus_data.bags.writer import BagWriteError, BagWriter

PARTIAL: Final = ".partial"
"""Folder beside the bags in which one is written before it is renamed into its place."""


def write_recording(
    recording: Recording, typestore: Typestore, topics: Mapping[str, tuple[str, Sequence[Qos]]]
) -> None:
    """Write the bag of a recording.

    Args:
        recording: complete.
        typestore: knows every type.
        topics: full name -> type and offered QoS of every topic that may occur.

    Raises:
        BagWriteError: the disk refuses; nothing is left behind.
    """
    staging = recording.path.parent / PARTIAL / recording.path.name
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.parent.mkdir(parents=True, exist_ok=True)
        writer = BagWriter(staging, typestore)
        for name in dict.fromkeys(message.topic for message in recording.messages):
            kind, qos = topics[name]
            writer.add_topic(name, kind, qos)
        for message in recording.messages:
            writer.write(message.topic, message.time, message.data)
        writer.close_with(recording.custom())
        staging.rename(recording.path)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        if isinstance(error, BagWriteError):
            raise
        raise BagWriteError(f"{recording.path}: cannot be written: {error}") from error
    finally:
        with suppress(OSError):
            staging.parent.rmdir()
