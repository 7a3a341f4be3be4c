"""Joins what belongs to one step, by stamp, and says when an episode is whole.

Nothing here knows ROS: channels, stamps and arrays come from the recorder node or from a bag. The
join is exact. A row is complete when every channel of the contract has given it one value with
its stamp; a row that lacks one is never filled.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.episode import EpisodeRecord

JOINTS: Final = "joints"
EE: Final = "ee"
PERCEIVED: Final = "perceived"
ACTION_PROPOSED: Final = "action_proposed"
ACTION: Final = "action"
CHUNK_PHASE: Final = "chunk_phase"
SUPERVISOR_STATE: Final = "supervisor_state"
UNCERTAINTY: Final = "uncertainty"
VALIDITY: Final = "validity"
EMBEDDING: Final = "embedding"


def image_channel(camera: str) -> str:
    """The channel of a camera's images, named like its array."""
    return f"image_{camera}"


def channels(contract: Contract, *, policy_signals: int, extra: Iterable[str] = ()) -> list[str]:
    """Every channel that a row of that contract needs."""
    needed = [JOINTS, EE, PERCEIVED, ACTION_PROPOSED, CHUNK_PHASE, ACTION, SUPERVISOR_STATE]
    if policy_signals:
        needed += [UNCERTAINTY, VALIDITY]
    return needed + [image_channel(camera) for camera in contract.cameras] + list(extra)


@dataclass
class OpenEpisode:
    """An episode that is under way: where its rows are, and how it ended once that is known."""

    id: str
    stamps: dict[int, int] = field(default_factory=dict)  # step -> stamp [ns]
    record: EpisodeRecord | None = None
    steps: int = 0


@dataclass(frozen=True)
class JoinReport:
    """What was wrong with the messages of an episode; all zero where it is whole."""

    missing: dict[str, int]  # channel -> rows without it
    duplicated: int
    first_gap: int  # first row that is not complete; -1 where all are

    def __str__(self) -> str:
        gaps = ", ".join(f"{channel} {count}" for channel, count in self.missing.items())
        return f"messages missing ({gaps}), first at step {self.first_gap}"


class Assembler:
    """Collects the channels of the rows of one episode at a time.

    Attributes:
        late: messages of episodes that were closed already.
        duplicated: messages that came twice; the first one counts.
    """

    def __init__(self, channels: Iterable[str]) -> None:
        self._channels = tuple(channels)
        self._rows: dict[int, dict[str, Any]] = {}
        self._episode: OpenEpisode | None = None
        self._closed_before = -1  # stamps up to here belong to closed episodes [ns]
        self.late = 0
        self.duplicated: Counter[str] = Counter()

    @property
    def episode_id(self) -> str | None:
        """The open episode; None between episodes."""
        return self._episode.id if self._episode else None

    def begin(self, episode_id: str, stamp: int) -> None:
        """Open an episode whose observation 0 has that stamp [ns]; drops an earlier open one."""
        if self._episode is not None:
            self.drop()
        self._closed_before = max(self._closed_before, stamp - 1)
        self._rows = {s: row for s, row in self._rows.items() if s >= stamp}
        self._episode = OpenEpisode(episode_id)
        self.duplicated.clear()

    def number(self, stamp: int, episode_id: str, step: int) -> None:
        """Say which step of which episode an observation is; others are refused as late."""
        if self._episode is None or episode_id != self._episode.id:
            self.late += 1
            return
        self._episode.stamps.setdefault(step, stamp)

    def add(self, channel: str, stamp: int, value: Any) -> None:
        """Take one value of a channel; the array is kept, not copied."""
        if stamp <= self._closed_before:
            self.late += 1
            return
        row = self._rows.setdefault(stamp, {})
        if channel in row:
            self.duplicated[channel] += 1
            return
        row[channel] = value

    def end(self, record: EpisodeRecord, steps: int) -> None:
        """Hear how the open episode ended and how many rows it has; its messages may still come."""
        if self._episode is None or self._episode.id != record.id:
            self.late += 1
            return
        self._episode.record, self._episode.steps = record, steps

    @property
    def ended(self) -> bool:
        """Whether the open episode has ended."""
        return self._episode is not None and self._episode.record is not None

    @property
    def whole(self) -> bool:
        """Whether the open episode has ended and every row is complete."""
        return self.ended and self.report().first_gap < 0

    def report(self) -> JoinReport:
        """What the open episode still lacks."""
        missing: Counter[str] = Counter()
        first_gap = -1
        episode = self._episode
        for step in range(episode.steps if episode else 0):
            stamp = episode.stamps.get(step) if episode else None
            row = self._rows.get(stamp, {}) if stamp is not None else {}
            gaps = [channel for channel in self._channels if channel not in row]
            missing.update(gaps)
            if gaps and first_gap < 0:
                first_gap = step
        return JoinReport(dict(missing), sum(self.duplicated.values()), first_gap)

    def take(self) -> tuple[EpisodeRecord, dict[str, NDArray[Any]]]:
        """Close the whole episode: its record, and (T, ...) arrays by channel, with `stamp`.

        Raises:
            ValueError: it is not whole; look at `whole` first.
        """
        episode = self._episode
        if episode is None or episode.record is None or not self.whole:
            raise ValueError("the episode is not whole")
        stamps = [episode.stamps[step] for step in range(episode.steps)]
        rows = [self._rows[stamp] for stamp in stamps]
        arrays = {name: np.stack([row[name] for row in rows]) for name in self._channels}
        arrays["stamp"] = np.array(stamps, np.int64)
        record = episode.record
        self.drop()
        return record, arrays

    def drop(self) -> None:
        """Close the open episode without keeping it."""
        if self._episode is not None and self._episode.stamps:
            self._closed_before = max(self._closed_before, *self._episode.stamps.values())
        self._rows.clear()
        self._episode = None
