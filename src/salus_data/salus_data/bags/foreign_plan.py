"""The episodes of somebody else's recording: their steps, ends and outcomes, before any row."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from salus_data.bags.fields import NothingThereError, lookup
from salus_data.bags.human_labels import HumanLabel
from salus_data.bags.source import Bag, RawMessage
from salus_data.bags.topic_map import Event, TopicMap
from salus_data.errors import FormatError
from salus_data.messages import NANOSECONDS, stamp_of, to_nanoseconds
from salus_data.types import FAILURE_TYPES, NO_FAILURE, Outcome

SPACING: Final = (0.5, 1.5)
"""Step periods that may lie between two steps; outside, a step is missing or a clock jumped."""


@dataclass
class PlannedEpisode:
    """One episode that the rows are now to be read of.

    Attributes:
        id: its name.
        first, last: stamps between which its steps lie [ns].
        stamps: of its steps, growing [ns].
        last_log: log time of its last step [ns].
        label: what somebody wrote about it; None where events decide.
        outcome, failure_type, onset_step, event_source: as in the record of an episode.
        fault: why it cannot be imported; empty where nothing speaks against it.
    """

    id: str
    first: int
    last: int
    stamps: list[int] = field(default_factory=list)
    last_log: int = 0
    label: HumanLabel | None = None
    outcome: Outcome = Outcome.UNKNOWN
    failure_type: int = NO_FAILURE
    onset_step: int = -1
    event_source: str = "topic"
    fault: str = ""


@dataclass
class _Heard:
    """What was heard: steps (stamp -> log time), events (stamp, meaning), calls of services."""

    steps: dict[int, int] = field(default_factory=dict)
    events: list[tuple[int, str]] = field(default_factory=list)
    calls: set[tuple[str, tuple[bytes, int] | None]] = field(default_factory=set)


def stamp_in(topic_map: TopicMap, message: Any, raw: RawMessage) -> int:
    """The time [ns] at which a message joins; the log time where it has no stamp of its own."""
    if topic_map.stamp == "log":
        return raw.time
    if hasattr(message, "header"):
        return stamp_of(message)
    if _call(message) is not None:
        return to_nanoseconds(message.info.stamp)
    return raw.time


def _call(message: Any) -> tuple[bytes, int] | None:
    """Which call of a service a message of its log (`/NAME/_service_event`) is about."""
    info: Any = getattr(message, "info", None)
    if not all(hasattr(info, name) for name in ("stamp", "client_gid", "sequence_number")):
        return None
    return bytes(info.client_gid), int(info.sequence_number)


def plan(bag: Bag, topic_map: TopicMap, labels: Sequence[HumanLabel]) -> list[PlannedEpisode]:
    """Every episode of the bag, in the order of time."""
    heard = _listen(bag, topic_map)
    if not heard.steps:
        bag.problems.append(f"{topic_map.step_topic}: no message of the step topic can be read")
        return []
    episodes = _divide(bag, topic_map, labels, heard)
    period = NANOSECONDS / topic_map.rate
    for episode in episodes:
        episode.stamps = sorted(s for s in heard.steps if episode.first <= s <= episode.last)
        if episode.stamps:
            episode.last_log = heard.steps[episode.stamps[-1]]
        episode.fault = episode.fault or _spacing_fault(episode.stamps, period)
        if episode.fault:
            continue
        if episode.label is not None:
            _date(episode, episode.label, heard)
        else:
            _decide(episode, heard.events, topic_map, period)
    return episodes


def _listen(bag: Bag, topic_map: TopicMap) -> _Heard:
    heard = _Heard()
    events = topic_map.events()
    wanted = {topic_map.step_topic, *(event.topic for _, event in events)}
    for topic in sorted(wanted - bag.types.keys()):
        bag.problems.append(f"{topic}: the bag does not have this topic")
    for raw in bag.messages(wanted):
        try:
            message = bag.decode(raw)
            stamp = stamp_in(topic_map, message, raw)
            if raw.topic == topic_map.step_topic:
                heard.steps.setdefault(stamp, raw.time)
            call = _call(message)
            for name, event in events:
                if event.topic != raw.topic or not _happened(event, message):
                    continue
                # Client and server log the same call; it happened once.
                if call is None or (name, call) not in heard.calls:
                    heard.events.append((stamp, name))
                    heard.calls.add((name, call))
        except FormatError as error:
            bag.problems.append(f"{raw.topic}: a message was refused: {error}")
    heard.events = sorted(set(heard.events))
    return heard


def _happened(event: Event, message: Any) -> bool:
    if event.field is None:
        return True
    try:
        value = lookup(message, event.field)
    except NothingThereError:
        return False
    return type(value) is type(event.equals) and bool(value == event.equals)


def _divide(
    bag: Bag, topic_map: TopicMap, labels: Sequence[HumanLabel], heard: _Heard
) -> list[PlannedEpisode]:
    name = bag.path.name.split(".")[0]
    begin, end = min(heard.steps), max(heard.steps)
    if topic_map.episodes.divided_by == "whole_bag":
        return [PlannedEpisode(name, begin, end)]
    if topic_map.episodes.divided_by == "labels":
        found = []
        for label in labels:
            if label.bag in ("", name, bag.path.name):
                first, last = (begin + round(s * NANOSECONDS) for s in (label.start, label.end))
                found.append(PlannedEpisode(label.episode, first, last, label=label))
        if not found:
            bag.problems.append(f"no line of the labels names {name}")
        return found
    marks = [(stamp, what) for stamp, what in heard.events if what in ("start", "end")]
    episodes: list[PlannedEpisode] = []
    started: int | None = None
    for stamp, what in [*marks, (end, "over")]:
        if what == "end" and started is None:
            bag.problems.append(f"an end at {stamp} ns has no start before it")
        elif started is not None:
            fault = "" if what == "end" else "its end is not in the bag"
            number = len(episodes)
            episodes.append(PlannedEpisode(f"{name}-{number}", started, stamp, fault=fault))
        started = stamp if what == "start" else None
    return episodes


def _spacing_fault(stamps: list[int], period: float) -> str:
    if len(stamps) < 2:
        return f"it has {len(stamps)} steps"
    apart = np.diff(stamps) / period
    bad = np.flatnonzero((apart < SPACING[0]) | (apart > SPACING[1]))
    if not bad.size:
        return ""
    step = int(bad[0])
    return (
        f"between step {step} and {step + 1} lie {apart[step] * period / NANOSECONDS:.3f} s, the "
        f"map says {period / NANOSECONDS:.3f} s: a step is missing or the clock jumped"
    )


def _decide(
    episode: PlannedEpisode, events: list[tuple[int, str]], topic_map: TopicMap, period: float
) -> None:
    """How the episode ended, by the first event that decides."""
    first, last = episode.stamps[0], episode.stamps[-1] + period
    deciding = [
        (stamp, what)
        for stamp, what in events
        if what not in ("start", "end") and first <= stamp <= last
    ]
    if not deciding:
        if topic_map.unlabelled == "truncated":
            episode.outcome, episode.event_source = Outcome.TRUNCATED, "unknown"
        else:
            episode.fault = "no event says how it ended, and unlabelled episodes are refused"
        return
    stamp, what = deciding[0]
    if len({w for s, w in deciding if s == stamp}) > 1:
        episode.fault = "two events that decide it have the same stamp"
        return
    failed = what in FAILURE_TYPES
    episode.outcome = Outcome.FAILURE if failed else Outcome.SUCCESS
    episode.failure_type = FAILURE_TYPES.index(what) if failed else NO_FAILURE
    episode.onset_step = _row_at(episode.stamps, stamp)


def _date(episode: PlannedEpisode, label: HumanLabel, heard: _Heard) -> None:
    episode.outcome, episode.failure_type = label.outcome, label.failure_type
    episode.event_source = "human"
    if label.onset is not None:
        stamp = min(heard.steps) + round(label.onset * NANOSECONDS)
        episode.onset_step = _row_at(episode.stamps, stamp)


def _row_at(stamps: list[int], stamp: int) -> int:
    """The first row that shows what happened at that stamp; -1 where none does."""
    row = int(np.searchsorted(stamps, stamp))
    return row if row < len(stamps) else -1
