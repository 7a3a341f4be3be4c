"""Many episodes one step at a time: how a stream's code runs over a whole dataset."""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Carried(Protocol):
    """A state that is carried through episodes in a batch."""

    def keep(self, batch: int) -> None:
        """Go on with the first `batch` episodes only."""


def advance[S: Carried](
    ends: NDArray[np.int64], start: Callable[[int], S]
) -> Iterator[tuple[int, NDArray[np.int64], S]]:
    """Step through all episodes together, the longest first, so that those that end drop out last.

    Args:
        ends: (E,) the row after the last one of each episode.
        start: makes the state of so many episodes.

    Yields:
        The step, the rows (B,) of the B episodes that have it, and their state.
    """
    lengths = np.diff(ends, prepend=0)
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = (ends - lengths)[order], lengths[order]
    if not len(ends):
        return
    state = start(len(ends))
    running = len(ends)
    for step in range(int(lengths[0])):
        left = int(np.searchsorted(-lengths, -step, side="left"))
        if left != running:
            running = left
            state.keep(running)
        yield step, starts[:running] + step, state
