"""The chunks of an MCAP file, unpacked ahead of the reader and read in place.

The library copies a message three times before it is decoded, an image of 256 px in fresh memory
each time. Here a message is a view of its unpacked chunk, and a thread unpacks the next chunks
while the messages of this one are joined.
"""

import os
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from operator import itemgetter
from typing import Final

from backports.zstd import get_frame_info
from numcodecs import zstd
from rosbags.interfaces import Connection
from rosbags.rosbag2.errors import ReaderError
from rosbags.rosbag2.storage_mcap import ChunkInfo, decompress

AHEAD: Final = 4
"""Chunks that wait unpacked; of a megabyte each where SALUS recorded."""

_MESSAGE: Final = 0x05
_RECORD: Final = struct.Struct("<BQ")  # kind, length of what follows
_HEAD: Final = struct.Struct("<HIqq")  # channel, sequence number, log time, publish time
_CHECKSUM_AT, _CONTENT_AT = 24, 40  # behind the chunk's record head; the compression's name between

ChunkMessages = list[tuple[int, Connection, memoryview]]
"""Log time [ns], connection and bytes; a view keeps its whole chunk in memory."""


def unpacked_ahead(
    file: int, chunks: Iterable[ChunkInfo]
) -> Iterator[tuple[ChunkInfo, "Future[memoryview]"]]:
    """Each chunk with its content, which raises what `unpack` does.

    Args:
        file: descriptor of the open file; its position is not touched.
        chunks: in the order in which they are wanted.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="salus-unpack") as pool:
        waiting: deque[tuple[ChunkInfo, Future[memoryview]]] = deque()
        try:
            for chunk in chunks:
                waiting.append((chunk, pool.submit(unpack, file, chunk)))
                if len(waiting) > AHEAD:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, content in waiting:
                content.cancel()


def unpack(file: int, chunk: ChunkInfo) -> memoryview:
    """The records of one chunk, verified as far as it has checksums.

    Raises:
        ReaderError, ZstdError, RuntimeError, struct.error, OSError: it is damaged or cut; lz4 and
            zstd raise what they like.
    """
    head = chunk.chunk_start_offset + _RECORD.size
    size = chunk.compressed_size
    if size > os.fstat(file).st_size:
        raise ReaderError(f"Chunk size {size} is larger than the file.")
    (checksum,) = struct.unpack("<I", os.pread(file, 4, head + _CHECKSUM_AT))
    packed = os.pread(file, size, head + _CONTENT_AT + len(chunk.compression))
    if len(packed) != size:
        raise ReaderError(f"Truncated chunk: expected {size} bytes, got {len(packed)}.")
    if chunk.compression == "zstd" and not checksum and _one_frame(packed, chunk):
        # Into memory of the right size, while other threads run; zstd verifies its own checksum.
        return memoryview(zstd.decompress(packed))
    return memoryview(decompress(packed, chunk.compression, chunk.uncompressed_size, checksum))


def _one_frame(packed: bytes, chunk: ChunkInfo) -> bool:
    return get_frame_info(packed).decompressed_size == chunk.uncompressed_size


def chunk_messages(content: memoryview, wanted: Mapping[int, Connection]) -> ChunkMessages:
    """The messages of those channels in the order of log time, as the library gives them.

    Raises:
        ReaderError, struct.error: the records do not fit the chunk.
    """
    found: ChunkMessages = []
    at, size = 0, len(content)
    while at < size:
        kind, length = _RECORD.unpack_from(content, at)
        at += _RECORD.size
        end = at + length
        if end > size or (kind == _MESSAGE and length < _HEAD.size):
            raise ReaderError(f"A record of {length} bytes does not fit its chunk.")
        if kind == _MESSAGE:
            channel, _, time, _ = _HEAD.unpack_from(content, at)
            if time < 0:
                raise ReaderError(f"Log time {time} ns is before 1970 or after 2262.")
            if (connection := wanted.get(channel)) is not None:
                found.append((time, connection, content[at + _HEAD.size : end]))
        at = end
    found.sort(key=itemgetter(0))
    return found
