"""The actions of a chunk that are still to be executed."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class ChunkQueue:
    """Serves the first `n_action_steps` actions of a chunk, then asks for another."""

    def __init__(self, n_action_steps: int) -> None:
        """Begin empty.

        Args:
            n_action_steps: actions of a chunk that are executed, 1 or more.
        """
        self.n_action_steps = n_action_steps
        self._chunk: Array | None = None
        self._next = 0

    @property
    def empty(self) -> bool:
        """Whether a chunk must be planned before the next action."""
        return self._chunk is None or self._next >= min(self.n_action_steps, len(self._chunk))

    def fill(self, chunk: Array) -> None:
        """Replace whatever is left by a new chunk (T, D)."""
        self._chunk, self._next = chunk, 0

    def drop(self) -> None:
        """Forget the chunk: the next action needs a new one."""
        self._chunk = None

    def take(self) -> tuple[Array, int]:
        """What is left of the chunk (T - phase, D), this step's action first, and the phase.

        Raises:
            ValueError: the queue is empty.
        """
        if self.empty or self._chunk is None:
            raise ValueError("the queue is empty")
        phase, self._next = self._next, self._next + 1
        return self._chunk[phase:], phase
