"""Write a rosbag2 bag: MCAP, compressed with zstd, message definitions and QoS inside."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, cast

from backports import zstd
from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys.store import Typestore

from salus_data.errors import SalusError

EPISODES_KEY: Final = "salus.episodes"
PROVENANCE_KEY: Final = "salus.provenance"
"""Keys of `custom_data` in metadata.yaml and in the MCAP's metadata record; values are JSON."""

_COMPRESS: Final = partial(zstd.compress, options={zstd.CompressionParameter.checksum_flag: 1})


class BagWriteError(SalusError, OSError):
    """Raised when a bag cannot be written."""


class BagWriter:
    """One bag; messages are bytes as they came from the wire, so nothing is serialised anew.

    Every chunk carries a checksum of its content, which zstd verifies in every reader: a damaged
    file yields fewer messages, never wrong ones.
    """

    def __init__(self, path: Path, typestore: Typestore) -> None:
        """Create the bag's folder.

        Raises:
            BagWriteError: it exists, or the disk refuses.
        """
        if path.exists():
            raise BagWriteError(f"{path}: exists; a bag is never overwritten")
        self.path = path
        self._typestore = typestore
        self._connections: dict[str, Connection] = {}
        self._episodes: list[dict[str, Any]] = []
        self._writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        try:
            self._writer.open()
        except OSError as error:
            raise BagWriteError(f"{path}: cannot be written: {error}") from error
        self._storage = cast(Any, self._writer.storage)
        # The library compresses without a checksum; its own reader verifies one that is there.
        self._storage.compressor = _COMPRESS

    def add_topic(self, topic: str, msgtype: str, qos: Sequence[Qos]) -> None:
        """Announce a topic with the quality of service that its publisher offers."""
        self._connections[topic] = self._writer.add_connection(
            topic, msgtype, typestore=self._typestore, offered_qos_profiles=qos
        )

    def write(self, topic: str, time: int, data: bytes | memoryview) -> None:
        """Append one serialised message with its log time [ns].

        Raises:
            BagWriteError: the disk refuses.
        """
        try:
            self._writer.write(self._connections[topic], time, data)
        except OSError as error:
            raise BagWriteError(f"{self.path}: cannot be written: {error}") from error

    def end_episode(self, entry: dict[str, Any]) -> None:
        """Note an ended episode in the index and put what there is on the disk.

        The library writes a chunk when a megabyte is full; a kill would lose what waits for it.
        """
        self._episodes.append(entry)
        try:
            if self._storage.chunk.msgs:
                self._storage.close_chunk()
            self._storage.bio.flush()
        except OSError as error:
            raise BagWriteError(f"{self.path}: cannot be written: {error}") from error

    def close(self, provenance: dict[str, Any]) -> None:
        """Write the index, and metadata.yaml last."""
        self.close_with(
            {EPISODES_KEY: json.dumps(self._episodes), PROVENANCE_KEY: json.dumps(provenance)}
        )

    def close_with(self, custom: Mapping[str, str]) -> None:
        """Close the bag with the notes (`custom_data`) of another one."""
        for key, value in custom.items():
            self._writer.set_custom_data(key, value)
        try:
            self._writer.close()
        except OSError as error:
            raise BagWriteError(f"{self.path}: cannot be closed: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close({})
