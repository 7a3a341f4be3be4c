"""The latest messages of a graph, serialised, bounded in time and in bytes."""

from collections import deque
from collections.abc import Collection
from typing import NamedTuple


class Kept(NamedTuple):
    """One serialised message with its log time [ns]."""

    topic: str
    time: int
    data: bytes


class Ring:
    """Keeps what was heard in the last seconds; of latched topics always the last message, too.

    Attributes:
        bytes: of the messages that are kept.
        pushed_out: messages that had to go for lack of room though they were recent.
    """

    def __init__(self, seconds: float, limit: int, latched: Collection[str] = ()) -> None:
        """Make an empty ring.

        Args:
            seconds: of log time that are kept.
            limit: bytes of messages that are kept at most; a larger message is not kept at all.
            latched: topics whose last message stays however old it is.
        """
        self._span = round(seconds * 1e9)
        self._limit = limit
        self._latched = frozenset(latched)
        self._last: dict[str, Kept] = {}
        self._messages: deque[Kept] = deque()
        self.bytes = self.pushed_out = 0

    def __len__(self) -> int:
        """Messages kept, without latched ones that have grown old."""
        return len(self._messages)

    @property
    def latest(self) -> int | None:
        """Log time of the last message [ns]; None without one."""
        return self._messages[-1].time if self._messages else None

    def add(self, topic: str, time: int, data: bytes) -> None:
        """Take a message; a clock that goes back begins anew, as the old times mean nothing."""
        message = Kept(topic, time, data)
        if self._messages and time < self._messages[-1].time:
            self._messages.clear()
            self.bytes = 0
        if topic in self._latched:
            self._last[topic] = message
        while self._messages and self._messages[0].time < time - self._span:
            self._drop()
        if len(data) > self._limit:
            self.pushed_out += 1
            return
        self._messages.append(message)
        self.bytes += len(data)
        while self.bytes > self._limit:
            self._drop()
            self.pushed_out += 1

    def snapshot(self) -> list[Kept]:
        """What is kept, oldest first; old latched messages come first with the first time."""
        messages = list(self._messages)
        there = {id(message) for message in messages}
        begin = messages[0].time if messages else None
        before = [
            message if begin is None else message._replace(time=min(message.time, begin))
            for message in self._last.values()
            if id(message) not in there
        ]
        return before + messages

    def _drop(self) -> None:
        self.bytes -= len(self._messages.popleft().data)
