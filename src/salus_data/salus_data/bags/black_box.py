"""The black box: which seconds become a bag, and why there is none where there is none."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from salus_data import topic_names as topics
from salus_data.bags.ring import Kept, Ring
from salus_data.messages import stamp_of
from salus_data.types import SupervisorStatus

REASONS_KEY: Final = "salus.black_box"
"""Key of `custom_data` in metadata.yaml and in the MCAP's metadata record; its value is JSON."""
JOURNAL: Final = "black_box.jsonl"
"""In the folder of the bags: a line for each trigger, with the bag or with why there is none."""
LATCHED: Final = (topics.CONTRACT, topics.EPISODE, topics.SUPERVISOR)
"""Kept however old: without contract and start of the episode nothing has a meaning."""

_RAISED: Final = 1
_INTERVENING: Final = (
    SupervisorStatus.SLOWED,
    SupervisorStatus.HOLDING,
    SupervisorStatus.RETREATING,
    SupervisorStatus.STOPPED,
)


@dataclass(frozen=True)
class Trigger:
    """Why a bag is wanted.

    Attributes:
        kind: `warning` or `intervention`.
        reason: in words.
        episode, step, stamp [ns]: of the observation at which it happened.
        warning_id: of the warning behind it; 0 for none.
    """

    kind: str
    reason: str
    episode: str
    step: int
    stamp: int
    warning_id: int = 0


@dataclass(frozen=True)
class BlackBoxSettings:
    """What is kept and when it is written.

    Attributes:
        folder: of the bags.
        before: seconds of log time that are kept before a trigger; after: that follow it.
        limit: bytes of messages in memory.
        pause: seconds of log time between the triggers of two bags.
        bags: that the folder may hold; evidence is never deleted to make room.
    """

    folder: Path
    before: float = 10.0
    after: float = 2.0
    limit: int = 256_000_000
    pause: float = 10.0
    bags: int = 100


@dataclass
class Recording:
    """The messages around one or more triggers, to be written as one bag."""

    path: Path
    triggers: list[Trigger]
    due: int  # log time [ns] from which it is complete
    messages: list[Kept] = field(default_factory=list)
    pushed_out: int = 0

    def custom(self) -> dict[str, str]:
        """What the bag's metadata says."""
        facts = {
            "triggers": [asdict(trigger) for trigger in self.triggers],
            "messages_pushed_out_by_size": self.pushed_out,
        }
        return {REASONS_KEY: json.dumps(facts)}


class BlackBox:
    """Fills the ring, hears triggers, and says which recording is complete.

    Attributes:
        written: bags, as the caller has told with `done`.
        refused: triggers that did not become a bag, as reasons.
        triggers: that were heard.
    """

    def __init__(self, settings: BlackBoxSettings, latched: Collection[str]) -> None:
        """Begin with an empty ring.

        Args:
            settings: bounds.
            latched: full names of topics whose last message always goes along.
        """
        self._settings = settings
        self._ring = Ring(settings.before + settings.after, settings.limit, latched)
        self._open: Recording | None = None
        self._last: int | None = None  # log time of the trigger of the latest bag [ns]
        self._state = SupervisorStatus.UNKNOWN
        self.written: list[Path] = []
        self.refused: list[str] = []
        self.triggers = 0
        self._number = 0

    def add(self, topic: str, time: int, data: bytes) -> None:
        """Keep one serialised message.

        Where the clock goes back the ring begins anew; what a trigger waits with is complete then.
        """
        latest, recording = self._ring.latest, self._open
        if recording is not None and latest is not None and time < latest:
            recording.messages = recording.messages or self._ring.snapshot()
            recording.due = time
        self._ring.add(topic, time, data)

    def hear_warning(self, message: Any) -> Trigger | None:
        """A trigger, where a FailureWarning was raised."""
        if int(message.kind) != _RAISED:
            return None
        return Trigger(
            "warning",
            f"failure type {int(message.failure_type)} within {float(message.horizon):.2f} s: "
            f"probability {float(message.probability):.3f}, threshold "
            f"{float(message.threshold):.3f}",
            str(message.episode_id),
            int(message.step),
            stamp_of(message),
            int(message.warning_id),
        )

    def hear_supervisor(self, message: Any) -> Trigger | None:
        """A trigger, where a SupervisorState says that it has begun to change actions."""
        state = SupervisorStatus(int(message.state))
        before, self._state = self._state, state
        if state not in _INTERVENING or state is before:
            return None
        return Trigger(
            "intervention",
            f"{state.name.lower()}: {message.reason}",
            str(message.episode_id),
            int(message.step),
            stamp_of(message),
            int(message.warning_id),
        )

    def trigger(self, trigger: Trigger, now: int) -> str:
        """Ask for a bag; triggers soon after each other share one.

        Returns:
            Why there will be none; empty where there will be.
        """
        self.triggers += 1
        settings = self._settings
        if self._open is not None:
            self._open.triggers.append(trigger)
            return ""
        since = None if self._last is None else (now - self._last) / 1e9
        if since is not None and 0 <= since < settings.pause:
            return self._refuse(
                trigger,
                f"{since:.1f} s after the trigger of the bag before; the pause is "
                f"{settings.pause:g} s",
            )
        there = sum(1 for path in settings.folder.glob("*/metadata.yaml"))
        if there >= settings.bags:
            return self._refuse(
                trigger, f"{settings.folder} has {there} bags; the limit is {settings.bags}"
            )
        self._last = now
        self._open = Recording(
            self._free_path(trigger), [trigger], now + round(settings.after * 1e9)
        )
        return ""

    def complete(self, now: int, *, force: bool = False) -> Recording | None:
        """The recording whose time has come, with its messages; each is given once.

        Args:
            now: log time [ns].
            force: do not wait for what follows: the clock stands still, or the end has come.
        """
        recording = self._open
        if recording is None or (now < recording.due and not force):
            return None
        self._open = None
        recording.messages = recording.messages or self._ring.snapshot()
        recording.pushed_out = self._ring.pushed_out
        self._ring.pushed_out = 0
        return recording

    @property
    def waiting(self) -> bool:
        """Whether a trigger waits for what follows it."""
        return self._open is not None

    def done(self, recording: Recording, error: str = "") -> None:
        """Note what came of a recording; an error is why there is no bag of it."""
        if not error:
            self.written.append(recording.path)
            self._note(recording.triggers, bag=recording.path.name)
            return
        for trigger in recording.triggers:
            self._refuse(trigger, error)

    def end(self) -> str:
        """Note why there is no bag where none was written; returns the reason."""
        if self.written:
            return ""
        why = (
            f"none of {self.triggers} triggers became a bag: {self.refused[-1]}"
            if self.refused
            else "no warning was raised and no action changed"
        )
        self._note([], why_none=why)
        return why

    def _free_path(self, trigger: Trigger) -> Path:
        while True:
            name = f"{trigger.episode or 'none'}-step{trigger.step:05d}-{trigger.kind}"
            path = self._settings.folder / (name + (f"-{self._number}" if self._number else ""))
            if not path.exists():
                self._number = 0
                return path
            self._number += 1

    def _refuse(self, trigger: Trigger, why: str) -> str:
        self.refused.append(why)
        self._note([trigger], why_none=why)
        return why

    def _note(self, triggers: list[Trigger], **outcome: str) -> None:
        """Append to the journal; where the disk refuses, log and diagnostics still tell."""
        lines = [asdict(trigger) for trigger in triggers] or [{}]
        try:
            self._settings.folder.mkdir(parents=True, exist_ok=True)
            with (self._settings.folder / JOURNAL).open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(line | outcome) + "\n" for line in lines)
        except OSError as error:
            self.refused.append(f"the journal cannot be written: {error}")
