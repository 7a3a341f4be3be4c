"""Joins the messages of one observation by their stamp, for the nodes that need all of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT = 8
"""Incomplete observations that are remembered; older ones can no longer be completed."""


@dataclass(frozen=True)
class JoinedObservation:
    """One observation, whole: which it is, and its arrays."""

    stamp: int  # [ns]
    episode_id: str
    step: int
    arrays: dict[str, NDArray[Any]]


class ObservationJoin:
    """Waits for every part of an observation; parts with other stamps never mix.

    Attributes:
        dropped: observations that were given up because newer ones came.
    """

    def __init__(self, cameras: Iterable[str]) -> None:
        self._parts = {"joints", "ee", "perceived", *(f"image_{camera}" for camera in cameras)}
        self._open: dict[int, dict[str, NDArray[Any]]] = {}
        self._names: dict[int, tuple[str, int]] = {}
        self.dropped = 0

    def name(self, stamp: int, episode_id: str, step: int) -> None:
        """Say which observation has that stamp."""
        self._names[stamp] = (episode_id, step)

    def add(self, part: str, stamp: int, value: NDArray[Any]) -> JoinedObservation | None:
        """Take one part; returns the observation when this was the last that it lacked."""
        row = self._open.setdefault(stamp, {})
        row[part] = value
        if row.keys() != self._parts or stamp not in self._names:
            self._forget_old()
            return None
        del self._open[stamp]
        episode_id, step = self._names.pop(stamp)
        state = np.concatenate([row.pop("joints"), row.pop("ee")])
        return JoinedObservation(stamp, episode_id, step, {"state": state, **row})

    def _forget_old(self) -> None:
        while len(self._open) > KEPT:
            oldest = min(self._open)
            del self._open[oldest]
            self._names.pop(oldest, None)
            self.dropped += 1
