"""Recordings of other people's robots to a labelled store, by a topic map.

Their topics do not share stamps. A row takes from every topic the last value at or before its
step, if it is no older than the map's tolerance; a row that lacks one is never filled.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.bags.fields import image, numbers
from salus_data.bags.foreign_plan import PlannedEpisode, plan, stamp_in
from salus_data.bags.human_labels import read_human_labels
from salus_data.bags.report import ImportReport
from salus_data.bags.source import Bag
from salus_data.bags.topic_map import Source, TopicMap, load_topic_map
from salus_data.episode import EpisodeRecord
from salus_data.errors import FormatError, SalusError
from salus_data.joining.commit import EpisodeSink
from salus_data.messages import NANOSECONDS
from salus_data.store import Store
from salus_data.types import SupervisorStatus, Validity
from salus_data.writer import StoreWriteError

GRACE: Final = 2 * NANOSECONDS
"""Log time after an episode's last step in which its other messages may still come."""

_SIGNAL: Final = "signal"


@dataclass
class _Rows:
    """What came for one episode: channel -> stamps and values, in the order of the bag."""

    episode: PlannedEpisode
    values: dict[str, list[tuple[int, Any]]] = field(default_factory=lambda: defaultdict(list))


def import_foreign_bags(
    bags: Sequence[Path],
    store: Path,
    topic_map: Path,
    *,
    labels: Path | None = None,
    command: str = "",
    progress: Callable[[int], None] = lambda _: None,
) -> ImportReport:
    """Import every episode that is whole and has an outcome; tell why others are not.

    Args:
        bags: folders or files.
        store: where the episodes go; appended to where it has the same contract.
        topic_map: the map's YAML file.
        labels: the CSV of human labels, where the map says so.
        command: the command line, kept as the store's provenance.
        progress: hears how many messages were read since it was last called.

    Raises:
        FormatError: the map, the CSV or a path is not what it should be.
        StoreWriteError: the disk refuses; what is committed is intact.
    """
    the_map = load_topic_map(topic_map)
    by_hand = the_map.episodes.divided_by == "labels"
    if by_hand != (labels is not None):
        raise FormatError(
            f"{topic_map}: episodes.divided_by is {the_map.episodes.divided_by!r}; the CSV of "
            f"--labels is {'missing' if by_hand else 'given, and read only with `labels`'}"
        )
    human = read_human_labels(labels) if labels else []
    report = ImportReport(store)
    facts = {"command": command, "topic_map": the_map.model_dump(mode="json")}
    sink = EpisodeSink(store, the_map.contract(), facts)
    number = _next_index(store)
    try:
        for path in bags:
            with Bag(path) as bag:
                report.bytes += bag.size
                join = _ForeignJoin(bag, the_map, sink, report, number)
                join.run(plan(bag, the_map, human), progress)
                number = join.index
                report.problems += [(str(path), problem) for problem in bag.problems]
    finally:
        sink.close()
    return report


def _next_index(store: Path) -> int:
    if not store.exists():
        return 0
    return max((record.index for record in Store.open(store).records), default=-1) + 1


class _ForeignJoin:
    """Reads the rows of one bag; an episode is written some time after its last step."""

    def __init__(
        self, bag: Bag, topic_map: TopicMap, sink: EpisodeSink, report: ImportReport, index: int
    ) -> None:
        self._bag, self._map, self._sink, self._report = bag, topic_map, sink, report
        self.index = index
        self._channels: dict[str, list[tuple[str, Callable[[Any], Any]]]] = defaultdict(list)
        for i, source in enumerate(topic_map.state):
            self._add(f"state{i}", source)
        for i, source in enumerate(topic_map.signals):
            self._add(f"{_SIGNAL}{i}", source)
        self._add("action", topic_map.action)
        if topic_map.action_proposed is not None:
            self._add("action_proposed", topic_map.action_proposed)
        for name, camera in topic_map.cameras.items():
            self._channels[camera.topic].append((f"image_{name}", image))
        for topic in sorted(self._channels.keys() - bag.types.keys()):
            bag.problems.append(f"{topic}: the bag does not have this topic")

    def _add(self, channel: str, source: Source) -> None:
        self._channels[source.topic].append((channel, partial(_numbers, source)))

    def run(self, episodes: list[PlannedEpisode], progress: Callable[[int], None]) -> None:
        """Join and write; every episode ends in the store or in the report."""
        for episode in episodes:
            if episode.fault:
                self._report.lose(self._bag.path, episode.id, episode.fault)
        waiting = [_Rows(episode) for episode in episodes if not episode.fault]
        tolerance = round(self._map.tolerance * NANOSECONDS)
        refused: Counter[tuple[str, str]] = Counter()
        for raw in self._bag.messages(self._channels.keys()):
            progress(1)
            self._report.messages += 1
            try:
                message = self._bag.decode(raw)
                stamp = stamp_in(self._map, message, raw)
                for rows in waiting:
                    if rows.episode.stamps[0] - tolerance <= stamp <= rows.episode.stamps[-1]:
                        for name, value_of in self._channels[raw.topic]:
                            rows.values[name].append((stamp, value_of(message)))
            except FormatError as error:
                refused[raw.topic, str(error)] += 1
            for rows in [r for r in waiting if raw.time > r.episode.last_log + GRACE]:
                waiting.remove(rows)
                self._write(rows)
        for rows in waiting:
            self._write(rows)
        for (topic, reason), count in refused.items():
            self._bag.problems.append(f"{topic}: {count} message(s) refused: {reason}")

    def _write(self, rows: _Rows) -> None:
        episode = rows.episode
        record = EpisodeRecord(
            id=episode.id,
            index=self.index,
            seed=0,
            task=self._map.task,
            policy=self._map.policy,
            outcome=episode.outcome,
            failure_type=episode.failure_type,
            onset_step=episode.onset_step,
            event_source=episode.event_source,
        )
        try:
            self._sink.write_arrays(record, self._arrays(rows))
        except StoreWriteError:
            raise
        except SalusError as error:
            self._report.lose(self._bag.path, episode.id, str(error))
            return
        self.index += 1
        self._report.imported.append(record.id)
        self._report.rows += len(episode.stamps)
        kinds = self._sink.contract.failure_types
        name = kinds[record.failure_type] if record.failure_type >= 0 else record.outcome.name
        self._report.outcomes[name.lower()] += 1

    def _arrays(self, rows: _Rows) -> dict[str, NDArray[Any]]:
        length = len(rows.episode.stamps)
        state = [self._joined(rows, f"state{i}") for i in range(len(self._map.state))]
        action = self._joined(rows, "action")
        arrays: dict[str, NDArray[Any]] = {
            "stamp": np.array(rows.episode.stamps, np.int64),
            "state": np.concatenate(state, axis=1),
            "action": action,
            "action_proposed": self._joined(rows, "action_proposed")
            if self._map.action_proposed
            else action,
            "supervisor_state": np.full(length, SupervisorStatus.UNKNOWN, np.uint8),
            "chunk_phase": np.full(length, -1, np.int16),
        }
        if self._map.signals:
            given = [self._signals(rows, i) for i in range(len(self._map.signals))]
            signals = np.concatenate(given, axis=1).astype(np.float32)
            known = np.isfinite(signals)
            arrays["signals"] = np.where(known, signals, np.float32(np.nan))
            arrays["signal_validity"] = np.where(
                known, Validity.VALID, Validity.INPUT_MISSING
            ).astype(np.uint8)
        for camera in self._map.cameras:
            arrays[f"image_{camera}"] = self._joined(rows, f"image_{camera}")
        return arrays

    def _joined(self, rows: _Rows, channel: str) -> NDArray[Any]:
        found: list[NDArray[Any]] = []
        for step, value in enumerate(self._at_steps(rows, channel)):
            if value is None:
                raise FormatError(
                    f"{channel} has no value at step {step} that is at most "
                    f"{self._map.tolerance} s old"
                )
            found.append(value)
        if len(shapes := {value.shape for value in found}) > 1:
            raise FormatError(f"{channel} has values of different shapes {sorted(shapes)}")
        return np.stack(found)

    def _signals(self, rows: _Rows, number: int) -> NDArray[np.float64]:
        """(T, K); a signal may be missing at a step, its validity says so."""
        empty = np.full(len(self._map.signals[number].columns), np.nan)
        found = self._at_steps(rows, f"{_SIGNAL}{number}")
        return np.stack([empty if value is None else value for value in found])

    def _at_steps(self, rows: _Rows, channel: str) -> list[NDArray[Any] | None]:
        """The last value at or before each step; None where it is too old."""
        came = sorted(rows.values[channel], key=lambda pair: pair[0])
        for (stamp, one), (following, other) in pairwise(came):
            same = np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
            if stamp == following and not same:
                raise FormatError(f"{channel} has two different values with stamp {stamp} ns")
        stamps = [stamp for stamp, _ in came]
        found: list[NDArray[Any] | None] = []
        for step in rows.episode.stamps:
            last = bisect_right(stamps, step) - 1
            fresh = last >= 0 and step - stamps[last] <= self._map.tolerance * NANOSECONDS
            found.append(came[last][1] if fresh else None)
        return found


def _numbers(source: Source, message: Any) -> NDArray[np.float64]:
    values = numbers(message, source.fields)
    if values.shape != (len(source.columns),):
        raise FormatError(
            f"{', '.join(source.fields)} holds {values.size} numbers, "
            f"the map names {len(source.columns)} columns"
        )
    return values
