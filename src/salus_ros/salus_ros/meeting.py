"""Who has met whom: a message reaches only those whom its writer knows when it is sent.

Discovery goes by pairs. That one process sees two others does not say that they see each other,
and what is published before they do is lost, or comes seconds late. So every node reports whom
each of its publishers and subscriptions has met, and `Meetings` compares the reports.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Self

from rclpy.node import Node

LISTENERS: Final = "listeners "
"""Before a topic's name, in diagnostics: listeners that this node's publisher has met."""
PUBLISHERS: Final = "publishers "
"""Before a topic's name, in diagnostics: publishers that this node's subscription has met."""
CONTRACT: Final = "contract"
NO_CONTRACT: Final = "none yet"

LEASE: Final = 21.0
"""Seconds for which a process that was killed is still counted: 20 s of Fast DDS, and a report."""

_OF_EVERY_NODE: Final = ("/parameter_events",)


def met_by(node: Node) -> dict[str, str]:
    """What a node's diagnostics say of its topics: key and number of each."""
    found: dict[str, str] = {}
    for publisher in node.publishers:
        if publisher.topic_name not in _OF_EVERY_NODE:
            found[LISTENERS + publisher.topic_name] = str(publisher.get_subscription_count())
    for subscription in node.subscriptions:
        if subscription.topic_name not in _OF_EVERY_NODE:
            found[PUBLISHERS + subscription.topic_name] = str(subscription.get_publisher_count())
    return found


@dataclass(frozen=True)
class _Report:
    """What one node has met: a number by topic, for those it publishes and those it hears."""

    listeners: dict[str, int]
    publishers: dict[str, int]
    contract: str

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Self:
        def numbers(prefix: str) -> dict[str, int]:
            return {k[len(prefix) :]: int(v) for k, v in values.items() if k.startswith(prefix)}

        return cls(numbers(LISTENERS), numbers(PUBLISHERS), values.get(CONTRACT, ""))


class Meetings:
    """The latest report of each node, and what is still missing between them.

    A process that was killed counts as met until its lease is over. Until then those who knew it
    must have met one more, or the dead would pass for the one that was started in its place.

    Args:
        clock: [s].
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reports: dict[str, _Report] = {}
        self._born: dict[str, float] = {}
        self._dead: list[tuple[float, _Report]] = []

    def hear(self, name: str, values: Mapping[str, str]) -> None:
        """Take a report.

        Args:
            name: of the node.
            values: of its diagnostics, as `met_by` makes them.
        """
        self._reports[name] = _Report.read(values)

    def heard(self, name: str) -> bool:
        """Whether that node has reported."""
        return name in self._reports

    def restart(self, names: Collection[str]) -> None:
        """Count those nodes as dead, where they had reported, and as born anew at this time."""
        now = self._clock()
        for name in names:
            if (report := self._reports.pop(name, None)) is not None:
                self._dead.append((now, report))
            self._born[name] = now

    def gap(self, names: Collection[str]) -> str:
        """The first thing that is missing among those nodes, in words; empty where nothing is."""
        if silent := [name for name in names if name not in self._reports]:
            return f"no report yet of {', '.join(silent)}"
        reports = {name: self._reports[name] for name in names}
        for name, report in reports.items():
            if report.contract == NO_CONTRACT:
                return f"{name} has heard no contract"
        for name, report in reports.items():
            known = [*reports.values(), *self._dead_to(name)]
            for topic, met in report.listeners.items():
                if met < (there := sum(topic in other.publishers for other in known)):
                    return f"{name} has met {met} of {there} listeners of {topic}"
            for topic, met in report.publishers.items():
                if met < (there := sum(topic in other.listeners for other in known)):
                    return f"{name} has met {met} of {there} publishers of {topic}"
        return ""

    def _dead_to(self, name: str) -> list[_Report]:
        """Those that this node may still count: they died in its time, and not long ago."""
        since = max(self._clock() - LEASE, self._born.get(name, -LEASE))
        return [report for died, report in self._dead if died > since]
