"""Joins what belongs to one step, by stamp, and says when an episode is whole.

Nothing here knows ROS: channels, stamps and arrays come from the recorder node or from a bag. The
join is exact. A row is complete when every channel of the contract has given it one value with
its stamp; a row that lacks one is never filled, and one about which two messages disagree is never
decided.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.episode import EpisodeRecord
from salus_data.joining.rows import EpisodeRows

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

LOOSE_ROWS: Final = 500
"""Rows that may wait for an open episode to claim them; memory is bounded whatever is missing."""


def image_channel(camera: str) -> str:
    """The channel of a camera's images, named like its array."""
    return f"image_{camera}"


def channels(contract: Contract, *, policy_signals: int, embedding: bool) -> list[str]:
    """Every channel that a row of that contract needs.

    Args:
        contract: its cameras count.
        policy_signals: signals that the policy publishes.
        embedding: whether the policy publishes one.
    """
    needed = [JOINTS, EE, PERCEIVED, ACTION_PROPOSED, CHUNK_PHASE, ACTION, SUPERVISOR_STATE]
    if policy_signals:
        needed += [UNCERTAINTY, VALIDITY]
    if embedding:
        needed.append(EMBEDDING)
    return needed + [image_channel(camera) for camera in contract.cameras]


@dataclass
class OpenEpisode:
    """An episode that is under way: where its rows are, and how it ended once that is known."""

    id: str
    start: int  # stamp of observation 0 [ns]
    stamps: dict[int, int] = field(default_factory=dict)  # step -> stamp [ns]
    record: EpisodeRecord | None = None
    steps: int = 0
    done: set[int] = field(default_factory=set)  # steps that have every channel
    fault: str = ""  # the first contradiction among its messages


@dataclass(frozen=True)
class JoinReport:
    """What was wrong with the messages of an episode; nothing where it is whole."""

    missing: dict[str, int]  # channel -> rows without it
    duplicated: int
    first_gap: int  # first row that is not complete; -1 where all are
    fault: str = ""

    def __str__(self) -> str:
        if self.fault:
            return self.fault
        gaps = ", ".join(f"{channel} {count}" for channel, count in self.missing.items())
        return f"messages missing ({gaps}), first at step {self.first_gap}"


class Assembler:
    """Collects the channels of rows and gives out whole episodes.

    A live recorder has one episode open at a time. A bag may hold its messages in any order, so
    several may be open, and a row may come before the message that says which step it is.

    Attributes:
        late: messages of episodes that were closed already.
        duplicated: messages that came twice; the first one counts, and a second one that differs
            is a fault of its episode.
        let_go: rows that no open episode claimed until LOOSE_ROWS others waited, too.
    """

    def __init__(self, channels: Iterable[str]) -> None:
        self._channels = tuple(channels)
        self._rows: dict[int, dict[str, Any]] = {}
        self._numbers: dict[int, tuple[str, int]] = {}  # stamp -> episode, step
        self._claims: dict[int, tuple[str, int]] = {}  # the same, as other channels have it
        self._faults: dict[int, str] = {}  # stamp -> first contradiction
        self._open: dict[str, OpenEpisode] = {}
        self._closed_before = -1  # what lies before belongs to nothing that is open [ns]
        self._closed_stamps: set[int] = set()
        self._loose: dict[int, None] = {}  # stamps of rows of no open episode, oldest first
        self.late = 0
        self.let_go = 0
        self.duplicated: Counter[str] = Counter()

    @property
    def episode_id(self) -> str | None:
        """The latest open episode; None between episodes."""
        return next(reversed(self._open), None)

    @property
    def open_episodes(self) -> tuple[str, ...]:
        """Every open episode, in the order in which they were begun."""
        return tuple(self._open)

    def begin(self, episode_id: str, stamp: int) -> None:
        """Open an episode whose observation 0 has that stamp [ns]."""
        episode = OpenEpisode(episode_id, stamp)
        if stamp < self._closed_before or stamp in self._closed_stamps:
            episode.fault = (
                f"its first stamp {stamp} ns lies before the end of an episode that came earlier: "
                "the clock went back"
            )
        self._open[episode_id] = episode
        if len(self._open) == 1:
            self._forget_before(stamp)
            self.duplicated.clear()
        for known, (owner, step) in list(self._numbers.items()):
            if owner == episode_id:
                self._place(episode, known, step)

    def number(self, stamp: int, episode_id: str, step: int) -> None:
        """Say which step of which episode an observation is; of closed ones it is late."""
        if stamp < self._closed_before or stamp in self._closed_stamps:
            self.late += 1
            return
        known = self._numbers.setdefault(stamp, (episode_id, step))
        if known != (episode_id, step):
            self._contradict(stamp, f"step {known[1]} and step {step} of {episode_id}")
        elif (episode := self._open.get(episode_id)) is not None:
            self._place(episode, stamp, step)
        self._compare(stamp)

    def add(
        self, channel: str, stamp: int, value: Any, claim: tuple[str, int] | None = None
    ) -> str | None:
        """Take one value of a channel; the array is kept, not copied.

        Args:
            channel: one of the assembler's.
            stamp: of the observation that it belongs to [ns].
            value: scalar or array.
            claim: the episode and step that the message names, where it names one.

        Returns:
            The episode that this value made whole, if any.
        """
        if stamp < self._closed_before or stamp in self._closed_stamps:
            self.late += 1
            return None
        if (row := self._rows.get(stamp)) is None:
            row = self._new_row(stamp)
        if claim is not None and self._claims.setdefault(stamp, claim) != claim:
            self._contradict(stamp, f"step {self._claims[stamp][1]} and step {claim[1]}")
        if channel in row:
            self.duplicated[channel] += 1
            if not _same(row[channel], value):
                self._contradict(stamp, f"two different values of {channel}")
            return None
        row[channel] = value
        self._compare(stamp)
        if len(row) == len(self._channels) and stamp in self._numbers:
            owner, step = self._numbers[stamp]
            if (episode := self._open.get(owner)) is not None:
                episode.done.add(step)
                return owner if self.is_whole(owner) else None
        return None

    def end(self, record: EpisodeRecord, steps: int, stamp: int | None = None) -> None:
        """Hear how an open episode ended; its messages may still come.

        Args:
            record: what happened.
            steps: rows it has.
            stamp: of its last row [ns]; None where that is not said.
        """
        episode = self._open.get(record.id)
        if episode is None:
            self.late += 1
            return
        episode.record, episode.steps = record, steps
        if steps < 1:
            episode.fault = episode.fault or "its end says that it has no rows"
        elif stamp is not None:
            last = episode.stamps.setdefault(steps - 1, stamp)
            if last != stamp:
                episode.fault = episode.fault or (
                    f"its end is stamped {stamp} ns, its last row {steps - 1} is {last} ns"
                )

    @property
    def ended(self) -> bool:
        """Whether the latest open episode has ended."""
        episode = self._episode(None)
        return episode is not None and episode.record is not None

    @property
    def whole(self) -> bool:
        """Whether the latest open episode has ended and every row is complete."""
        return self.is_whole(None)

    def is_whole(self, episode_id: str | None) -> bool:
        """Whether an open episode has ended and every row is complete and undisputed."""
        episode = self._episode(episode_id)
        if episode is None or episode.record is None or len(episode.done) < episode.steps:
            return False
        report = self.report(episode.id)
        return report.first_gap < 0 and not report.fault

    def is_open(self, episode_id: str) -> bool:
        """Whether an episode was begun and is neither taken nor dropped."""
        return episode_id in self._open

    @property
    def rows_held(self) -> int:
        """Rows in memory, whole or not."""
        return len(self._rows)

    def report(self, episode_id: str | None = None) -> JoinReport:
        """What an open episode (by default the latest) still lacks."""
        episode = self._episode(episode_id)
        if episode is None:
            return JoinReport({}, sum(self.duplicated.values()), -1)
        known = {s: self._rows.get(t, {}) for s, t in episode.stamps.items() if s < episode.steps}
        # A number of steps that nobody checked may be huge: only rows that came are looked at.
        missing: Counter[str] = Counter()
        if unseen := episode.steps - len(known):
            missing.update(dict.fromkeys(self._channels, unseen))
        for row in known.values():
            missing.update(channel for channel in self._channels if channel not in row)
        gaps = (s for s in range(episode.steps) if len(known.get(s, ())) < len(self._channels))
        first_gap = next(gaps, -1)
        duplicated = sum(self.duplicated.values())
        return JoinReport(dict(missing), duplicated, first_gap, self._fault(episode))

    def take(self, episode_id: str | None = None) -> tuple[EpisodeRecord, dict[str, NDArray[Any]]]:
        """Close a whole episode: its record, and (T, ...) arrays by channel, with `stamp`.

        Raises:
            ValueError: it is not whole; look at `whole` first.
            FormatError: the rows of a channel differ in shape; it is closed all the same.
        """
        record, rows = self.take_rows(episode_id)
        return record, rows.stacked()

    def take_rows(self, episode_id: str | None = None) -> tuple[EpisodeRecord, EpisodeRows]:
        """Close a whole episode: its record and its rows, which another thread may stack.

        Raises:
            ValueError: it is not whole; look at `whole` first.
        """
        episode = self._episode(episode_id)
        if episode is None or episode.record is None or not self.is_whole(episode.id):
            raise ValueError("the episode is not whole")
        stamps = [episode.stamps[step] for step in range(episode.steps)]
        rows = EpisodeRows(self._channels, stamps, [self._rows[stamp] for stamp in stamps])
        self.drop(episode.id)
        return episode.record, rows

    def drop(self, episode_id: str | None = None) -> None:
        """Close an open episode without keeping it."""
        episode = self._episode(episode_id)
        if episode is None:
            return
        del self._open[episode.id]
        last = max(episode.stamps.values(), default=episode.start)
        self._closed_stamps.update(episode.stamps.values())
        for stamp in episode.stamps.values():
            self._forget(stamp)
        if self._open:
            self._forget_before(min(e.start for e in self._open.values()))
        else:
            self._forget_before(last + 1)

    def _episode(self, episode_id: str | None) -> OpenEpisode | None:
        name = self.episode_id if episode_id is None else episode_id
        return self._open.get(name) if name is not None else None

    def _new_row(self, stamp: int) -> dict[str, Any]:
        row = self._rows[stamp] = {}
        known = self._numbers.get(stamp)
        if known is None or known[0] not in self._open:
            self._loose[stamp] = None
            if len(self._loose) > LOOSE_ROWS:
                self._forget(next(iter(self._loose)))
                self.let_go += 1
        return row

    def _place(self, episode: OpenEpisode, stamp: int, step: int) -> None:
        """Make a stamp the row of that step."""
        self._loose.pop(stamp, None)
        known = episode.stamps.setdefault(step, stamp)
        if known != stamp:
            episode.fault = episode.fault or (f"step {step} has two stamps, {known} and {stamp} ns")
        elif len(self._rows.get(stamp, ())) == len(self._channels):
            episode.done.add(step)

    def _compare(self, stamp: int) -> None:
        number, claim = self._numbers.get(stamp), self._claims.get(stamp)
        if number and claim and number != claim:
            self._contradict(stamp, f"step {number[1]} of {number[0]} and {claim[1]} of {claim[0]}")

    def _contradict(self, stamp: int, what: str) -> None:
        self._faults.setdefault(stamp, f"messages with stamp {stamp} ns contradict: {what}")

    def _fault(self, episode: OpenEpisode) -> str:
        if episode.fault:
            return episode.fault
        found = [self._faults[s] for s in episode.stamps.values() if s in self._faults]
        if found:
            return found[0]
        beyond = [step for step in episode.stamps if step >= episode.steps]
        if episode.record is not None and beyond:
            return f"step {max(beyond)} was observed, its end says that it has {episode.steps} rows"
        if episode.stamps.get(0, episode.start) != episode.start:
            return f"it started at {episode.start} ns, its first row is {episode.stamps[0]} ns"
        return ""

    def _forget(self, stamp: int) -> None:
        for known in (self._rows, self._numbers, self._claims, self._faults, self._loose):
            known.pop(stamp, None)

    def _forget_before(self, stamp: int) -> None:
        """Let go of every row before that stamp; what still comes for them is late."""
        self._closed_before = max(self._closed_before, stamp)
        for known in [s for s in self._rows if s < stamp] + [s for s in self._numbers if s < stamp]:
            self._forget(known)
        self._closed_stamps = {s for s in self._closed_stamps if s >= stamp}


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, NaN being equal to NaN."""
    first, second = np.asarray(one), np.asarray(other)
    return first.shape == second.shape and first.tobytes() == second.tobytes()
