"""The rows of a whole episode as they came, before they are arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError


@dataclass(frozen=True)
class EpisodeRows:
    """What an assembler gives out; nothing else holds it, so any thread may stack it.

    Attributes:
        channels: that every row has.
        stamps: of the rows [ns].
        values: of each row, by channel.
    """

    channels: tuple[str, ...]
    stamps: list[int]
    values: list[dict[str, Any]]

    def stacked(self) -> dict[str, NDArray[Any]]:
        """(T, ...) arrays by channel, with `stamp`.

        Raises:
            FormatError: the rows of a channel differ in shape.
        """
        arrays = {}
        for name in self.channels:
            values = [row[name] for row in self.values]
            if len(shapes := {np.shape(value) for value in values}) > 1:
                raise FormatError(f"{name} has rows of different shapes {sorted(shapes)}")
            arrays[name] = np.stack(values)
        arrays["stamp"] = np.array(self.stamps, np.int64)
        return arrays
