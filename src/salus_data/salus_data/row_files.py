"""Rows to the files of a store's arrays; images ahead of the episode that they belong to."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import zarr
from numpy.typing import NDArray

AHEAD_BYTES: Final = 16 << 20
"""Images that wait in memory at most, beside those of one episode [bytes]."""


class FramesAhead:
    """Writes images behind the last commit, where no reader looks, before their episode is whole.

    Images are nearly all that an episode weighs. Written ahead they need no memory while other
    episodes are waited for, and are compressed while those are still being read.
    """

    def __init__(self, arrays: Mapping[str, "zarr.Array[Any]"], end: int) -> None:
        """Start behind row `end` of the arrays of images."""
        self._arrays = arrays
        self._end = end
        self._parts: dict[str, list[NDArray[Any]]] = {name: [] for name in arrays}
        self._bytes = 0

    @property
    def full(self) -> bool:
        """Whether as much waits as may."""
        return self._bytes >= AHEAD_BYTES

    def take_from(self, rows: dict[str, NDArray[Any]]) -> None:
        """Take the images out of the arrays of an episode; they wait in memory."""
        for name, parts in self._parts.items():
            frames = rows.pop(name)
            parts.append(frames)
            self._bytes += frames.nbytes

    def write(self) -> None:
        """Write what waits.

        Raises:
            OSError: the disk refuses; some arrays may be longer than others.
        """
        if not self._bytes:
            return
        end = self._end
        for name, parts in self._parts.items():
            end = append_rows(self._arrays[name], self._end, parts)
            parts.clear()
        self._end, self._bytes = end, 0


def append_rows(array: "zarr.Array[Any]", start: int, parts: Sequence[NDArray[Any]]) -> int:
    """Lengthen an array and write its last rows, one file at a time.

    zarr writes several files at once and, when one fails, leaves the others running; they could
    then hit a store that has been opened again since. One at a time, a failure is the end of it.

    Returns:
        The row behind the last one.
    """
    values = parts[0] if len(parts) == 1 else np.concatenate(parts)
    stop = start + len(values)
    array.resize((stop, *array.shape[1:]))
    file_rows = (array.shards or array.chunks)[0]
    while start < stop:
        boundary = min(stop, (start // file_rows + 1) * file_rows)
        array[start:boundary] = values[: boundary - start]
        values = values[boundary - start :]
        start = boundary
    return stop
