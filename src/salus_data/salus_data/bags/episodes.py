"""The episodes of a SALUS bag, known before its rows are read: contract, starts, ends, index."""

import json
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from salus_data import topic_names as topics
from salus_data.bags.source import Bag, RawMessage
from salus_data.bags.writer import EPISODES_KEY
from salus_data.contract import Contract
from salus_data.errors import FormatError, SalusError
from salus_data.messages import contract_from_message, stamp_of

_STARTED: Final = 1
_ENDED: Final = 3
_DISCARDED: Final = 5
CONTRACT_TYPE: Final = "salus_msgs/msg/Contract"


@dataclass
class BagEpisode:
    """What the bag says of one episode.

    Attributes:
        id: its name.
        start: stamp of observation 0 [ns]; None where its start is missing.
        end: the EpisodeEvent of its end; None where that is missing.
        fault: why it cannot be imported; empty where nothing speaks against it.
    """

    id: str
    start: int | None = None
    end: Any = None
    end_data: bytes = b""
    fault: str = ""

    def blame(self, reason: str) -> None:
        """Note the first reason against it."""
        self.fault = self.fault or reason


@dataclass
class Table:
    """The contract and the episodes of a bag, in the order in which they were first heard of."""

    contract: Contract | None = None
    policy_signals: int = 0
    embedding_size: int = 0
    episodes: dict[str, BagEpisode] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    read: Counter[str] = field(default_factory=Counter)

    def episode(self, name: str) -> BagEpisode:
        """The entry of that name; made where it is missing."""
        return self.episodes.setdefault(name, BagEpisode(name))


def find_namespace(bag: Bag, asked: str | None) -> str:
    """The namespace whose graph is read: the one with a contract.

    Raises:
        FormatError: there is none, or several and none was asked for.
    """
    ending = f"/{topics.CONTRACT}"
    found = sorted(
        topic.removesuffix(ending)
        for topic, kind in bag.types.items()
        if kind == CONTRACT_TYPE and topic.endswith(ending)
    )
    if asked is not None:
        name = "/" + asked.strip("/") if asked.strip("/") else ""
        if name in found:
            return name
        raise FormatError(
            f"{bag.path}: no contract in namespace {asked}; found: {', '.join(found) or 'none'}"
        )
    if len(found) == 1:
        return found[0]
    if not found:
        raise FormatError(
            f"{bag.path}: no topic of type {CONTRACT_TYPE}, so this is no recording of SALUS; "
            "describe other robots' topics in a file and pass it with --topics (docs/BAGS.md)"
        )
    raise FormatError(f"{bag.path}: several namespaces have a contract: {', '.join(found)}; choose")


def read_table(bag: Bag, namespace: str) -> Table:
    """Read contract, starts and ends; an index skips all other chunks of the bag."""
    contract, episode = (f"{namespace}/{name}" for name in (topics.CONTRACT, topics.EPISODE))
    table = Table(read=Counter({contract: 0, episode: 0}))
    for raw in bag.messages((contract, episode)):
        table.read[raw.topic] += 1
        try:
            message = bag.decode(raw)
            if raw.topic == contract:
                _hear_contract(table, message)
            else:
                _hear_event(table, message, raw)
        except SalusError as error:
            table.problems.append(f"{raw.topic}: a message was refused: {error}")
        except AttributeError as error:
            table.problems.append(
                f"{raw.topic}: a message was refused: {other_version(raw, error)}"
            )
    _check_index(table, bag)
    _check_clock(table.episodes.values())
    return table


def other_version(raw: RawMessage, error: AttributeError) -> str:
    """What to say of a message whose definition in the bag is not the one of this version."""
    return f"{raw.type} was recorded with another definition: it has no field {error.name}"


def _hear_contract(table: Table, message: Any) -> None:
    contract = contract_from_message(message)
    signals, embedding = int(message.policy_signals), int(message.embedding_size)
    if table.contract is None:
        table.contract = contract
        table.policy_signals, table.embedding_size = signals, embedding
    elif contract != table.contract:
        table.problems.append(
            "the contract changes within the bag; which episodes follow which is not known"
        )
        for episode in table.episodes.values():
            episode.blame("the contract changes within the bag")


def _hear_event(table: Table, message: Any, raw: RawMessage) -> None:
    kind = int(message.kind)
    if kind == _STARTED:
        episode = table.episode(str(message.episode_id))
        stamp = stamp_of(message)
        if episode.start not in (None, stamp):
            episode.blame(f"it starts twice, at {episode.start} and {stamp} ns")
        episode.start = stamp
    elif kind == _ENDED:
        episode = table.episode(str(message.episode_id))
        if episode.end is not None and episode.end_data != raw.data:
            episode.blame("it ends twice, and the two ends differ: which is true is not known")
        episode.end, episode.end_data = message, bytes(raw.data)
        if int(message.outcome) == _DISCARDED:
            episode.blame(f"discarded when it was recorded: {message.reason}")


def indexed_episodes(bag: Bag) -> dict[str, int]:
    """The episodes that the bag's writer saw end: id -> checksum of the end's message.

    Raises:
        FormatError: the index is there and cannot be read.
    """
    try:
        entries = json.loads(bag.custom.get(EPISODES_KEY, "[]"))
        return {str(entry["id"]): int(entry["end_crc32"]) for entry in entries}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise FormatError(
            f"the index of episodes in metadata.yaml cannot be read: {error}"
        ) from error


def _check_index(table: Table, bag: Bag) -> None:
    """Compare with what the writer noted of every episode when it ended."""
    try:
        entries = indexed_episodes(bag)
    except FormatError as error:
        table.problems.append(str(error))
        return
    for name, checksum in entries.items():
        episode = table.episode(name)
        if episode.end is None and episode.start is None:
            episode.blame("it is in the bag's index, and none of its events can be read")
        elif episode.end is not None and zlib.crc32(episode.end_data) != checksum:
            episode.blame("its end is not the one that was recorded (checksum of the index)")


def _check_clock(episodes: Iterable[BagEpisode]) -> None:
    for episode in episodes:
        if episode.start is None:
            episode.blame("its start is not in the bag")
        elif episode.end is None:
            episode.blame("its end is not in the bag: the recording stopped before it")
        elif stamp_of(episode.end) < episode.start:
            episode.blame("the clock went back between its start and its end")
        elif int(episode.end.steps) < 1:
            episode.blame("its end says that it has no rows")
