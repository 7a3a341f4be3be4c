"""The labels of one episode as bands over its steps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salus_data.schema import LABELS, VALID
from salus_data.view import StoreView


@dataclass(frozen=True)
class LabelBand:
    """One horizon and type over the steps.

    Attributes:
        failure_type: name of the type.
        horizon: in steps.
        positive: runs (first, behind the last) of steps whose label is 1.
        unknown: runs of steps whose label is not known or not asked.
    """

    failure_type: str
    horizon: int
    positive: tuple[tuple[int, int], ...]
    unknown: tuple[tuple[int, int], ...]


def label_bands(view: StoreView, episode: int) -> list[LabelBand]:
    """One band for each horizon of every type that is positive somewhere; of the first if none."""
    labels = view.read(LABELS, episode) > 0
    valid = view.read(VALID, episode).astype(bool)
    types = view.contract.failure_types
    shown = [c for c in range(len(types)) if (labels & valid)[:, :, c].any()] or [0]
    return [
        LabelBand(
            types[c],
            horizon,
            runs((labels & valid)[:, h, c]),
            runs(~valid[:, h, c]),
        )
        for c in shown
        for h, horizon in enumerate(view.contract.horizons)
    ]


def runs(flags: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """Where `flags` (T,) is true: (first, behind the last) of each run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return tuple((int(a), int(b)) for a, b in edges.reshape(-1, 2))
