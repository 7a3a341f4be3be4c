"""A bag of SALUS as a stream that is played back: which messages, and when a step is answered."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from salus_data import topic_names as topics
from salus_data.bags.definitions import typestore_with
from salus_data.bags.episodes import find_namespace
from salus_data.bags.source import Bag
from salus_data.errors import FormatError

ANSWERS: Final = (topics.FORECAST, topics.WARNING)
"""What a predictor publishes: read, for comparison, and never played back."""

NOT_PLAYED: Final = (*ANSWERS, topics.DIAGNOSTICS, topics.RECORDING, topics.SUPERVISOR)
"""What the nodes beside a replay say themselves, or what nobody who replays must believe."""

Step = tuple[str, int]
"""Episode id and step index."""


class Played(NamedTuple):
    """One message: topic relative to the namespace, log time [ns], serialised bytes."""

    topic: str
    time: int
    data: bytes


class Replay:
    """The messages of one bag in the order of their recording.

    Attributes:
        bag: that is read.
        types: relative topic -> type name, of every topic that is known.
    """

    def __init__(self, bag: Bag, namespace: str | None, known: Mapping[str, str]) -> None:
        """Look at what the bag holds.

        Args:
            bag: open for reading; stays the caller's.
            namespace: of the recorded graph; None where the bag has one only.
            known: relative topic -> type that it has today; cameras are known by their names.

        Raises:
            FormatError: the bag is no recording of SALUS.
        """
        self.bag = bag
        prefix = f"{find_namespace(bag, namespace)}/"
        self._relative = {
            topic: topic.removeprefix(prefix) for topic in bag.types if topic.startswith(prefix)
        } | {name: name for name in (topics.CLOCK, topics.DIAGNOSTICS) if name in bag.types}
        self.types: dict[str, str] = {}
        for topic, name in list(self._relative.items()):
            kind = known.get(name) or _camera_type(name)
            if kind is None or bag.types[topic] != kind:
                del self._relative[topic]
            else:
                self.types[name] = kind

    def require_same_definitions(self, messages: Path) -> None:
        """Check that the bytes of our own messages mean today what they meant when recorded.

        Args:
            messages: folder of the .msg files of salus_msgs.

        Raises:
            FormatError: a type was recorded with another definition.
        """
        ours, theirs = typestore_with(messages), self.bag.typestore
        for kind in sorted(set(self.types.values())):
            if kind in ours.fielddefs and ours.hash_rihs01(kind) != theirs.hash_rihs01(kind):
                raise FormatError(
                    f"{self.bag.path}: {kind} was recorded with another definition than this "
                    "version of SALUS has; import the bag with `salus import-bag` instead"
                )

    def messages(self) -> Iterator[Played]:
        """Every message of a known topic, also those that are not played back."""
        for raw in self.bag.messages(self._relative.keys()):
            yield Played(self._relative[raw.topic], raw.time, bytes(raw.data))


class Lockstep:
    """Which steps were played and have no forecast yet; a replay waits for them.

    A step is asked when its proposed action is played, as all that a forecast needs has come then.
    """

    def __init__(self) -> None:
        self._open: dict[Step, None] = {}
        self._early: set[Step] = set()
        self.asked = self.answered = 0

    @property
    def waiting(self) -> tuple[Step, ...]:
        """Steps without an answer, oldest first."""
        return tuple(self._open)

    def ask(self, step: Step) -> None:
        """Note that everything a forecast of that step needs was played."""
        self.asked += 1
        if step in self._early:
            self._early.discard(step)
        else:
            self._open[step] = None

    def answer(self, step: Step) -> None:
        """Note a forecast; it may overtake the note that it was asked for."""
        self.answered += 1
        if step in self._open:
            del self._open[step]
        else:
            self._early.add(step)

    def give_up(self) -> tuple[Step, ...]:
        """Wait no longer for what is open; returns it."""
        given_up, self._open = tuple(self._open), {}
        return given_up


def _camera_type(topic: str) -> str | None:
    if topics.camera_of(topic) is not None:
        return "sensor_msgs/msg/Image"
    parts = topic.split("/")
    if len(parts) == 3 and topic == topics.camera_info_topic(parts[1]):
        return "sensor_msgs/msg/CameraInfo"
    return None
