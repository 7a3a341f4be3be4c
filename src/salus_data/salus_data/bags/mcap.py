"""Read MCAP files that are cut or damaged, with the library's own parts, chunk by chunk.

The library reads sound files only: without a footer it refuses the file, and a damaged chunk ends
the reading. A recorder that was killed leaves a file without a footer.
"""

import struct
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Final, override

from backports.zstd import ZstdError
from rosbags.interfaces import Connection, ConnectionExtRosbag2
from rosbags.rosbag2.errors import ReaderError
from rosbags.rosbag2.storage_mcap import (
    Channel,
    ChunkInfo,
    McapReader,
    Schema,
    Statistics,
    decompress,
    get_msgdef,
    get_qos,
)

from salus_data.bags.chunks import chunk_messages, unpacked_ahead

_MAGIC: Final = b"\x89MCAP0\r\n"
_HEADER, _FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
_DATA_END: Final = 0x0F
_CHUNK_HEAD: Final = struct.Struct("<QQQI")

DAMAGED: Final = (
    ReaderError,
    ZstdError,
    struct.error,
    ValueError,  # also bytes that are no UTF-8
    TypeError,
    LookupError,
    OverflowError,
    EOFError,
    MemoryError,
    RuntimeError,  # of lz4
    AssertionError,
)
"""What the library raises on a damaged file, depending on where it is damaged."""


class DamagedMcapReader(McapReader):
    """Opens what the library opens, and what is left of other files.

    Attributes:
        file: its path.
        problems: one line for each part that could not be read.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.file = path
        self.problems: list[str] = []

    @override
    def open(self) -> None:
        """Open the file; without an index, by walking through its records.

        Raises:
            ReaderError: not even its beginning can be read.
        """
        try:
            super().open()
        except DAMAGED as error:
            self.problems.append(f"{self.file.name}: {error}; read record by record instead")
            self._walk()

    def read(
        self, connections: Collection[Connection]
    ) -> Iterator[tuple[Connection, int, bytes | memoryview]]:
        """Every message that can be read, chunk by chunk in the order of writing.

        Unlike the library's `messages`, it does not sort across chunks and goes on behind damage.
        """
        if self.bio is None:
            return
        wanted = {connection.id: connection for connection in connections}
        if not self.chunks:
            yield from self._guarded(self.messages_scan(connections), "its messages")
            return
        chunks = (
            chunk
            for chunk in self.chunks
            if not chunk.channel_count or wanted.keys() & chunk.channel_count.keys()
        )
        for chunk, content in unpacked_ahead(self.bio.fileno(), chunks):
            try:
                messages = chunk_messages(content.result(), wanted)
            except DAMAGED as error:
                self._note(f"the chunk at byte {chunk.chunk_start_offset}", error)
                continue
            for time, connection, data in messages:
                yield connection, time, data

    def _guarded(self, messages: Iterator[Any], what: str) -> Iterator[Any]:
        try:
            yield from messages
        except DAMAGED as error:
            self._note(what, error)

    def _note(self, what: str, error: Exception) -> None:
        problem = f"{self.file.name}: {what} cannot be read: {error}"
        if problem not in self.problems:
            self.problems.append(problem)

    def _walk(self) -> None:
        """Find schemas, channels and chunks without an index, up to the first cut record."""
        self.schemas, self.channels, self.chunks, self.connections = {}, {}, [], []
        self.bio = self.file.open("rb")
        size = self.file.stat().st_size
        try:
            self._walk_records(size)
        except BaseException:
            with suppress(Exception):
                self.close()
            raise

    def _walk_records(self, size: int) -> None:
        assert self.bio is not None
        if self.bio.read(8) != _MAGIC:
            raise ReaderError(f"{self.file.name} does not begin like an MCAP file.")
        position = 8
        while position + 9 <= size:
            self.bio.seek(position)
            kind, length = struct.unpack("<BQ", self.bio.read(9))
            end = position + 9 + length
            if kind in (_DATA_END, _FOOTER) or kind == 0:
                break
            if end > size:
                self.problems.append(
                    f"{self.file.name}: cut inside the record at byte {position}: "
                    f"{size - position} of its {length + 9} bytes are there"
                )
                break
            self._look_into(kind, position, length)
            if kind == _HEADER:
                self.data_start = end
            position = end
        self.data_end = position
        self.statistics = Statistics(0, 0, 0, 0, 0, len(self.chunks), 0, 0, defaultdict(int))

    def _look_into(self, kind: int, position: int, length: int) -> None:
        assert self.bio is not None
        if kind in (_SCHEMA, _CHANNEL):
            self._announce(kind, self.bio.read(length))
        elif kind == _CHUNK:
            try:
                self._look_into_chunk(position, length)
            except DAMAGED as error:
                self.problems.append(
                    f"{self.file.name}: the chunk at byte {position} cannot be read: {error}"
                )

    def _look_into_chunk(self, position: int, length: int) -> None:
        assert self.bio is not None
        record = BytesIO(self.bio.read(length))
        first, last, raw_size, crc = _CHUNK_HEAD.unpack(record.read(_CHUNK_HEAD.size))
        compression = _text(record)
        (packed,) = struct.unpack("<Q", record.read(8))
        content = BytesIO(decompress(record.read(packed), compression, raw_size, crc))
        while content.tell() < raw_size:
            kind, inner = struct.unpack("<BQ", content.read(9))
            if kind in (_SCHEMA, _CHANNEL):
                self._announce(kind, content.read(inner))
            else:
                content.seek(inner, 1)
        self.chunks.append(
            ChunkInfo(first, last, position, length + 9, {}, 0, compression, packed, raw_size, {})
        )

    def _announce(self, kind: int, data: bytes) -> None:
        record = BytesIO(data)
        (key,) = struct.unpack("<H", record.read(2))
        if kind == _SCHEMA:
            self.schemas[key] = Schema(key, _text(record), _text(record), _text(record))
            return
        if key in self.channels:
            return
        (schema_id,) = struct.unpack("<H", record.read(2))
        schema = self.schemas[schema_id]
        topic, encoding, metadata = _text(record), _text(record), _sized(record)
        self.channels[key] = Channel(key, schema.name, topic, encoding, metadata)
        self.connections.append(
            Connection(
                key,
                topic,
                schema.name,
                get_msgdef(schema),
                "",
                0,
                ConnectionExtRosbag2(encoding, get_qos(metadata)),
                self,
            )
        )


def _sized(record: BytesIO) -> bytes:
    (size,) = struct.unpack("<I", record.read(4))
    return record.read(size)


def _text(record: BytesIO) -> str:
    return _sized(record).decode()
