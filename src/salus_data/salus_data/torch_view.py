"""Windows of past steps as a torch Dataset; the only file of the package that needs torch."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from salus_data.errors import FormatError, UnknownNameError
from salus_data.memory import keep_freed_memory
from salus_data.schema import IMAGE_PREFIX, LABELS, VALID
from salus_data.view import StoreView


class WindowDataset(Dataset[dict[str, torch.Tensor]]):
    """Rows of a view, each with the steps before it.

    An item is a dictionary, W the window and t its row:

        <array>  (W, ...)   rows t-W+1 .. t; before the episode's start its first row is repeated
        present  (W,) bool  False where a row is such a repetition
        label    (H, C) uint8
        valid    (H, C) bool
        row      ()         t in the view
        episode  ()         number in the view

    No window reaches into another episode. Arrays are held in memory, frames are read from disk.
    Workers of a DataLoader open the stores for themselves.
    """

    def __init__(
        self,
        view: StoreView,
        arrays: Sequence[str],
        window: int,
        *,
        episodes: Sequence[int] | None = None,
        only_valid: bool = True,
    ) -> None:
        """Choose rows of a view.

        Args:
            view: one or more stores; what is committed later is not seen.
            arrays: names of the arrays to give.
            window: W, 1 or more, in steps.
            episodes: numbers in the view, as a split chooses them; None for all.
            only_valid: leave out rows without any valid label.

        Raises:
            UnknownNameError: there is no such array or episode.
            FormatError: the window is empty.
        """
        if window < 1:
            raise FormatError(f"window is {window} steps; it must be 1 or more")
        for name in arrays:
            if name not in view.names:
                raise UnknownNameError("array", name, view.names)
        self._paths = view.paths
        self._view: StoreView | None = view
        self._process = os.getpid()
        self._window = window
        self._frames = tuple(name for name in arrays if name.startswith(IMAGE_PREFIX))
        if self._frames:
            keep_freed_memory()  # otherwise the pages of a window cost more than its decoding
        self._memory = {n: view.read_all(n) for n in arrays if n not in self._frames}
        self._labels, self._valid = view.read_all(LABELS), view.read_all(VALID)
        chosen = range(len(view)) if episodes is None else episodes
        spans = [view.rows(episode) for episode in chosen]
        self._rows = _concatenate([np.arange(span.start, span.stop) for span in spans])
        self._starts = _concatenate([np.full(span.stop - span.start, span.start) for span in spans])
        self._episodes = _concatenate(
            [
                np.full(span.stop - span.start, episode)
                for episode, span in zip(chosen, spans, strict=True)
            ]
        )
        if only_valid:
            kept = self._valid[self._rows].any(axis=(1, 2))
            self._rows, self._starts = self._rows[kept], self._starts[kept]
            self._episodes = self._episodes[kept]

    def __len__(self) -> int:
        """Rows that can be asked for."""
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """One window; see the class."""
        row, start = int(self._rows[index]), int(self._starts[index])
        wanted = np.arange(row - self._window + 1, row + 1)
        rows = np.maximum(wanted, start)
        item = {name: torch.from_numpy(values[rows]) for name, values in self._memory.items()}
        if self._frames:
            first = int(rows[0])
            for name in self._frames:
                frames = self._open().window(name, first, row + 1)
                item[name] = torch.from_numpy(frames[rows - first])
        return item | {
            "present": torch.from_numpy(wanted >= start),
            "label": torch.from_numpy(self._labels[row]),
            "valid": torch.from_numpy(self._valid[row]),
            "row": torch.tensor(row),
            "episode": torch.tensor(int(self._episodes[index])),
        }

    def _open(self) -> StoreView:
        if self._view is None or self._process != os.getpid():
            self._view, self._process = StoreView(self._paths), os.getpid()
            keep_freed_memory()
        return self._view

    def __getstate__(self) -> dict[str, Any]:
        # A store's arrays belong to the event loop of their process: a worker opens its own.
        return self.__dict__ | {"_view": None}


def _concatenate(pieces: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int64)
