"""Windows of camera frames straight from the files of a store.

zarr takes a millisecond for a read before anything is decoded, and copies what it has decoded; a
training loop reads two cameras a step. Here whole chunks are decoded into their place. A file is a
shard as zarr's specification has it: compressed chunks, and at the end the index, offset and length
of each, with its CRC-32C. Index and chunks are read from one open file, so that a writer that
replaces it meanwhile does no harm.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import google_crc32c
import numpy as np
from backports.zstd import ZstdError, get_frame_info
from numcodecs import zstd
from numpy.typing import NDArray

from salus_data.errors import FormatError, reason

_ABSENT: Final = 2**64 - 1
_CHECKSUM_BYTES: Final = 4
_BYTES: Final = {"name": "bytes"}
_INDEX: Final = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]


@dataclass(frozen=True)
class FrameFiles:
    """The files of one array of images.

    Attributes:
        folder: of the array.
        shape: of one frame, (height, width, 3).
        chunk: frames that are compressed together.
        shard: frames of a file.
    """

    folder: Path
    shape: tuple[int, ...]
    chunk: int
    shard: int

    @classmethod
    def of(cls, folder: Path) -> Self | None:
        """The files of the array in that folder; None where it is cut or packed in another way."""
        try:
            facts = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
            rows, *frame = facts["shape"]
            shard, *whole = facts["chunk_grid"]["configuration"]["chunk_shape"]
            (codec,) = facts["codecs"]
            how = codec["configuration"]
            chunk, *inner = how["chunk_shape"]
            packed, compressed = how["codecs"]
            plain = (
                facts["data_type"] == "uint8"
                and facts["chunk_key_encoding"]
                == {"name": "default", "configuration": {"separator": "/"}}
                and codec["name"] == "sharding_indexed"
                and frame == whole == inner
                and packed["name"] == "bytes"
                and compressed["name"] == "zstd"
                and how["index_codecs"] == _INDEX
                and how.get("index_location", "end") == "end"
            )
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return cls(folder, tuple(frame), int(chunk), int(shard)) if plain and rows else None

    def window(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Frames `start` up to, not including, `stop`: (T, height, width, 3).

        Raises:
            FormatError: a file or a chunk is missing or damaged.
        """
        frames = np.empty((stop - start, *self.shape), np.uint8)
        for number in range(start // self.shard, -(-stop // self.shard)):
            first = number * self.shard
            low, high = max(start, first), min(stop, first + self.shard)
            try:
                self._read(number, low - first, high - first, frames[low - start : high - start])
            except (OSError, ValueError, RuntimeError, ZstdError) as error:
                raise FormatError(
                    f"{self.folder} cannot be read from row {low} on: {reason(error)}"
                ) from error
        return frames

    def _read(self, number: int, start: int, stop: int, out: NDArray[np.uint8]) -> None:
        """Frames `start` to `stop` of one file, counted from its first."""
        path = self.folder.joinpath("c", str(number), *("0" * len(self.shape)))
        file = os.open(path, os.O_RDONLY)
        try:
            index = self._index(file)
            for chunk in range(start // self.chunk, -(-stop // self.chunk)):
                offset, length = index[chunk].tolist()
                if offset == _ABSENT:
                    raise ValueError(f"chunk {chunk} of file {number} is missing")
                packed = os.pread(file, length, offset)
                first = chunk * self.chunk
                low, high = max(start, first), min(stop, first + self.chunk)
                place = out[low - start : high - start]
                if high - low == self.chunk:
                    _unpack(packed, place)
                else:
                    whole = np.empty((self.chunk, *self.shape), np.uint8)
                    _unpack(packed, whole)
                    place[:] = whole[low - first : high - first]
        finally:
            os.close(file)

    def _index(self, file: int) -> NDArray[Any]:
        """Offset and length of every chunk of an open file."""
        count = self.shard // self.chunk
        size = 16 * count
        data = os.pread(
            file, size + _CHECKSUM_BYTES, os.fstat(file).st_size - size - _CHECKSUM_BYTES
        )
        content, checksum = data[:size], int.from_bytes(data[size:], "little")
        if len(data) < size + _CHECKSUM_BYTES or google_crc32c.value(content) != checksum:
            raise ValueError("the index of the file is damaged")
        return np.frombuffer(content, "<u8").reshape(count, 2)


def _unpack(packed: bytes, out: NDArray[np.uint8]) -> None:
    size = get_frame_info(packed).decompressed_size
    if size != out.nbytes:
        raise ValueError(f"a chunk holds {size} bytes, not {out.nbytes}")
    zstd.decompress(packed, out)
