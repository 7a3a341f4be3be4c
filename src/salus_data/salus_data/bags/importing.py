"""Bags of SALUS graphs to a labelled store, through the joining code of the live recorder."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from salus_data import topic_names as topics
from salus_data.bags.episodes import (
    Table,
    find_namespace,
    indexed_episodes,
    other_version,
    read_table,
)
from salus_data.bags.report import ImportReport
from salus_data.bags.source import Bag, RawMessage
from salus_data.bags.writer import PROVENANCE_KEY
from salus_data.episode import EpisodeRecord
from salus_data.errors import FormatError, SalusError
from salus_data.joining.assembler import Assembler, channels
from salus_data.joining.commit import EpisodeSink
from salus_data.joining.parts import feed, step_topics
from salus_data.messages import record_from_message, stamp_of
from salus_data.wire_image import IMAGE_TYPE, decode_image
from salus_data.writer import StoreWriteError

OPEN_EPISODES: Final = 3
"""Episodes whose rows are kept at once: messages of neighbours may be mixed, not those of many."""

Progress = Callable[[int], None]
"""Hears how many messages were read since it was last called."""

_PROGRESS_EVERY: Final = 500


def import_bags(
    bags: Sequence[Path],
    store: Path,
    *,
    namespace: str | None = None,
    command: str = "",
    progress: Progress = lambda _: None,
) -> ImportReport:
    """Import every episode that is whole; tell of every other one why it is not.

    Args:
        bags: folders or files; the files of a split bag are one bag.
        store: where the episodes go; appended to where it exists and has the same contract.
        namespace: of the graph, such as `/salus`; None where the bags hold one only.
        command: the command line, kept as the store's provenance.
        progress: see `Progress`.

    Raises:
        FormatError: a path is no bag of SALUS, or its namespace is not clear.
        StoreWriteError: the disk refuses; what is committed is intact.
    """
    report = ImportReport(store)
    sinks = _Sinks(store, command)
    try:
        for path in bags:
            with Bag(path) as bag:
                report.bytes += bag.size
                try:
                    where = find_namespace(bag, namespace)
                except FormatError as error:
                    if not bag.problems:
                        raise
                    # A damaged bag is a finding, not a wrong use: the others are still imported.
                    bag.problems.append(str(error))
                    _lose_indexed(bag, report)
                else:
                    _import_bag(bag, where, sinks, report, progress)
                report.problems += [(str(path), problem) for problem in bag.problems]
    finally:
        sinks.close()
    return report


class _Sinks:
    """Opens the store when the first bag's contract is known; later bags must have the same."""

    def __init__(self, store: Path, command: str) -> None:
        self._store, self._command = store, command
        self._sink: EpisodeSink | None = None

    def sink(self, table: Table, bag: Bag) -> EpisodeSink:
        contract = table.contract
        assert contract is not None
        if self._sink is None:
            provenance = {"command": self._command, "imported_from": str(bag.path)}
            provenance |= {"recorded": _recorded(bag)}
            self._sink = EpisodeSink(self._store, contract, provenance)
        elif self._sink.contract != contract:
            self._sink.contract.require_same_meaning(contract)
            raise FormatError(
                f"{bag.path}: policy, task, horizons or settings differ from those of the bags "
                "before it; import it into a store of its own"
            )
        return self._sink

    def close(self) -> None:
        if self._sink is not None:
            self._sink.close()


def _recorded(bag: Bag) -> Any:
    try:
        return json.loads(bag.custom.get(PROVENANCE_KEY, "{}"))
    except ValueError:
        return {}


def _lose_indexed(bag: Bag, report: ImportReport) -> None:
    """Name the episodes of a bag in which not even the contract's topic can be found."""
    try:
        for name in indexed_episodes(bag):
            report.lose(bag.path, name, "nothing of the bag's recording can be read")
    except FormatError as error:
        bag.problems.append(str(error))


def _import_bag(
    bag: Bag, namespace: str, sinks: _Sinks, report: ImportReport, progress: Progress
) -> None:
    table = read_table(bag, namespace)
    report.problems += [(str(bag.path), problem) for problem in table.problems]
    if table.contract is None:
        report.problems.append((str(bag.path), "no contract can be read, so nothing has a meaning"))
        for episode in table.episodes.values():
            report.lose(bag.path, episode.id, episode.fault or "the bag has no readable contract")
        return
    for episode in table.episodes.values():
        if episode.fault:
            report.lose(bag.path, episode.id, episode.fault)
    try:
        sink = sinks.sink(table, bag)
    except SalusError as error:
        for episode in table.episodes.values():
            if not episode.fault:
                report.lose(bag.path, episode.id, str(error))
        return
    join = _BagJoin(bag, namespace, table, sink, report)
    join.run(progress)


class _BagJoin:
    """Reads the rows of one bag and commits each episode when its last message has come."""

    def __init__(
        self, bag: Bag, namespace: str, table: Table, sink: EpisodeSink, report: ImportReport
    ) -> None:
        self._bag, self._table, self._sink, self._report = bag, table, sink, report
        contract = sink.contract
        signals, embedding = table.policy_signals, table.embedding_size > 0
        needed = step_topics(contract.cameras, policy_signals=signals, embedding=embedding)
        self._topics = {f"{namespace}/{name}": name for name in needed}
        for topic in self._topics.keys() - bag.types.keys():
            bag.problems.append(f"{topic}: the bag does not have this topic")
        self._refused: Counter[tuple[str, str]] = Counter()
        self._assembler = Assembler(channels(contract, policy_signals=signals, embedding=embedding))
        self._heard: dict[str, None] = {}  # open episodes of which rows came, oldest first
        self._whole: list[str] = []
        # One episode is compressed and written while the next one is read.
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="salus-import")
        self._written: Future[EpisodeRecord] | None = None
        self._episode, self._rows = "", 0
        self._latest = ""  # episode of the latest numbered message
        self._begin()

    def _begin(self) -> None:
        """Open every episode that nothing speaks against; its end is known from the first row."""
        for episode in self._table.episodes.values():
            if episode.fault or episode.start is None:
                continue
            try:
                record = record_from_message(episode.end, policy=self._sink.contract.policy)
            except FormatError as error:
                self._report.lose(self._bag.path, episode.id, str(error))
                continue
            self._assembler.begin(episode.id, episode.start)
            self._assembler.end(record, int(episode.end.steps), stamp_of(episode.end))

    def run(self, progress: Progress) -> None:
        """Join all rows; what is still open at the end of the bag is lost."""
        with self._writing:
            self._read(progress)
            self._settle()
            self._sink.commit()
        self._tell()

    def _read(self, progress: Progress) -> None:
        read = Counter(dict.fromkeys(self._topics, 0))
        count = 0
        for raw in self._bag.messages(self._topics.keys()):
            read[raw.topic] += 1
            count += 1
            if count % _PROGRESS_EVERY == 0:
                progress(_PROGRESS_EVERY)
            topic = self._topics[raw.topic]
            try:
                message = self._decode(topic, raw)
                whole = feed(self._assembler, topic, message)
            except FormatError as error:
                self._refused[raw.topic, str(error)] += 1
                continue
            except AttributeError as error:
                self._refused[raw.topic, other_version(raw, error)] += 1
                continue
            if whole is not None:
                self._whole.append(whole)
            if topic == topics.PERCEIVED:
                self._latest = str(message.episode_id)
                self._commit_all()
                self._limit()
        self._commit_all(ended=True)
        progress(count % _PROGRESS_EVERY)
        self._report.messages += count
        self._bag.shortfall(read + Counter(self._table.read))

    def _decode(self, topic: str, raw: RawMessage) -> Any:
        """The message; an image as the live recorder reads it, without a copy of its pixels."""
        if raw.type == IMAGE_TYPE and topics.camera_of(topic) is not None:
            return decode_image(raw.data)
        return self._bag.decode(raw)

    def _tell(self) -> None:
        """Put into the report what was wrong with single messages, and the open episodes."""
        self._report.duplicated += sum(self._assembler.duplicated.values())
        for (topic, reason), number in self._refused.items():
            self._bag.problems.append(f"{topic}: {number} message(s) refused: {reason}")
        if self._assembler.let_go:
            self._bag.problems.append(
                f"{self._assembler.let_go} row(s) belong to no episode that can be imported"
            )
        if self._assembler.late:
            self._bag.problems.append(
                f"{self._assembler.late} value(s) came for rows of episodes that were closed"
            )
        for name in self._assembler.open_episodes:
            self._lose(name)

    def _commit_all(self, *, ended: bool = False) -> None:
        """Commit the whole episodes that are over: another one has begun, or the bag has ended.

        What comes after the last row may still contradict it, such as a row beyond it.
        """
        over = [name for name in self._whole if ended or name != self._latest]
        for name in over:
            self._whole.remove(name)
            if self._assembler.is_whole(name):
                self._commit(name)

    def _commit(self, episode: str) -> None:
        record, rows = self._assembler.take_rows(episode)
        self._heard.pop(episode, None)
        self._settle()
        self._episode, self._rows = episode, len(rows.stamps)
        self._written = self._writing.submit(
            lambda: self._sink.hold(record, rows.stacked()),
        )

    def _settle(self) -> None:
        """Wait for the episode that is being written, and note what came of it."""
        if self._written is None:
            return
        written, self._written = self._written, None
        try:
            record = written.result()
        except StoreWriteError:
            raise
        except SalusError as error:
            self._report.lose(self._bag.path, self._episode, str(error))
            return
        self._report.imported.append(record.id)
        self._report.rows += self._rows
        kinds = self._sink.contract.failure_types
        failed = 0 <= record.failure_type < len(kinds)
        self._report.outcomes[
            kinds[record.failure_type] if failed else record.outcome.name.lower()
        ] += 1

    def _lose(self, episode: str) -> None:
        reason = str(self._assembler.report(episode))
        self._assembler.drop(episode)
        self._heard.pop(episode, None)
        self._report.lose(self._bag.path, episode, reason)

    def _limit(self) -> None:
        """Give up the oldest of too many incomplete episodes, so that memory stays bounded."""
        if self._assembler.is_open(self._latest):
            self._heard[self._latest] = None
        if len(self._heard) > OPEN_EPISODES:
            self._lose(next(iter(self._heard)))
