"""A bag as a stream of messages: MCAP or SQLite, in one file or split, whole or damaged."""

import tempfile
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import apsw
import yaml
from backports import zstd
from rosbags.interfaces import Connection
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader
from rosbags.typesys.store import Typestore

from salus_data.bags.definitions import BagTypes
from salus_data.bags.mcap import DAMAGED, DamagedMcapReader
from salus_data.errors import FormatError

SUFFIXES: Final = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd")
_METADATA: Final = "metadata.yaml"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it is installed: a bag's metadata is a large part of opening it."""
_UNREADABLE: Final = (*DAMAGED, OSError, apsw.Error, zstd.ZstdError)


class RawMessage(NamedTuple):
    """One message as it lies in the bag; `time` is its log time [ns].

    `data` may be a view, which keeps the messages around it in memory, too; `kept` does not.
    """

    topic: str
    type: str
    time: int
    data: bytes | memoryview

    def kept(self) -> "RawMessage":
        """The same with bytes of its own, for those who keep it."""
        return self._replace(data=bytes(self.data))


class Bag:
    """One bag, open for reading; a context manager.

    Attributes:
        path: the folder or file that was given.
        problems: one line for each thing that is damaged or missing.
        types: topic -> type of its messages.
        promised: topic -> messages that metadata.yaml says there are; without one, the files' own
            statistics.
        custom: what its writer noted in metadata.yaml (`custom_data`).
        size: bytes of its files.
    """

    def __init__(self, path: Path) -> None:
        """Open a bag.

        Raises:
            FormatError: there is no bag at the path.
        """
        self.path = path
        self.problems: list[str] = []
        self.promised: dict[str, int] = {}
        self.custom: dict[str, str] = {}
        self._compressed_messages = False
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        files = self._files()
        self.size = sum(file.stat().st_size for file in files)
        self._readers: list[DamagedMcapReader | Sqlite3Reader] = []
        for file in files:
            self._open(file)
        connections = self._connections()
        self.types = {connection.topic: connection.msgtype for connection in connections}
        self._types = BagTypes(connections)
        if not self.promised and not self._walked():
            for connection in connections:
                before = self.promised.get(connection.topic, 0)
                self.promised[connection.topic] = before + connection.msgcount

    @property
    def typestore(self) -> Typestore:
        """Every type of the bag.

        Raises:
            FormatError: a definition is missing or cannot be parsed.
        """
        for kind in self.types.values():
            self._types.learn(kind)
        return self._types.store

    def messages(self, topics: Collection[str]) -> Iterator[RawMessage]:
        """The messages of those topics, file by file, as far as they can be read."""
        for reader in self._readers:
            wanted = [c for c in reader.connections if c.topic in topics]
            if not wanted:
                continue
            yield from self._read(reader, wanted)
            if isinstance(reader, DamagedMcapReader):
                self._problem(*reader.problems)

    def decode(self, message: RawMessage) -> Any:
        """The message as an object with the fields of its type.

        Raises:
            FormatError: the bytes are not a message of that type.
        """
        name = self._types.learn(message.type)
        try:
            return self._types.store.deserialize_cdr(bytes(message.data), name)
        except Exception as error:  # generated code raises whatever the bytes provoke
            raise FormatError(f"not a {message.type}: {error}") from error

    def shortfall(self, read: Counter[str]) -> None:
        """Note where other messages came than were promised, by topic."""
        for topic, count in read.items():
            promised = self.promised.get(topic, count)
            if promised != count:
                self._problem(f"{topic}: {count} of {promised} messages could be read")

    def close(self) -> None:
        """Close its files."""
        for reader in self._readers:
            with suppress(*_UNREADABLE):
                reader.close()
        if self._scratch is not None:
            self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _files(self) -> list[Path]:
        path = self.path
        if not path.exists():
            raise FormatError(f"{path}: no such bag")
        if path.is_file():
            if not path.name.endswith(SUFFIXES):
                raise FormatError(f"{path}: not a bag; known: {', '.join(SUFFIXES)} or a folder")
            return [path]
        there = sorted(
            (f for f in path.iterdir() if f.name.endswith(SUFFIXES)), key=lambda f: _natural(f.name)
        )
        information = self._information()
        listed = [path / PurePath(str(name)).name for name in information[0]]
        for missing in (file for file in listed if not file.is_file()):
            self._problem(f"{missing.name}: missing, though metadata.yaml names it")
        files = [file for file in listed if file.is_file()] or there
        for other in (file for file in there if file not in files):
            self._problem(
                f"{other.name}: not read, as metadata.yaml does not name it; import the file by "
                "itself, or name it by `ros2 bag reindex`"
            )
        if not files:
            raise FormatError(f"{path}: no bag in this folder ({', '.join(SUFFIXES)})")
        return files

    def _information(self) -> tuple[list[str]]:
        """What metadata.yaml says, field by field; without it the files alone are read."""
        try:
            text = (self.path / _METADATA).read_text(encoding="utf-8")
            facts = yaml.load(text, _LOADER)["rosbag2_bagfile_information"]  # noqa: S506 - both are safe
            files = [str(name) for name in facts["relative_file_paths"]]
            self._compressed_messages = str(facts.get("compression_mode")).lower() == "message"
            for entry in facts["topics_with_message_count"]:
                name = str(entry["topic_metadata"]["name"])
                self.promised[name] = int(entry["message_count"])
            custom = facts.get("custom_data") or {}
            self.custom = {str(key): str(value) for key, value in custom.items()}
        except FileNotFoundError:
            self._problem("metadata.yaml is missing: the recorder did not end properly")
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            self._problem(f"metadata.yaml cannot be read: {_line(error)}")
        except yaml.YAMLError as error:
            self._problem(f"metadata.yaml cannot be read: {_line(error)}")
        else:
            return (files,)
        return ([],)

    def _open(self, file: Path) -> None:
        try:
            plain = self._unpacked(file)
            reader: DamagedMcapReader | Sqlite3Reader
            reader = DamagedMcapReader(plain) if plain.suffix == ".mcap" else Sqlite3Reader(plain)
            reader.open()
        except _UNREADABLE as error:
            self._problem(f"{file.name}: cannot be opened: {_line(error)}")
            return
        if isinstance(reader, DamagedMcapReader):
            self._problem(*reader.problems)
        self._readers.append(reader)

    def _walked(self) -> bool:
        """Whether a file had to be read record by record: its statistics are lost."""
        return any(isinstance(r, DamagedMcapReader) and r.problems for r in self._readers)

    def _unpacked(self, file: Path) -> Path:
        if file.suffix != ".zstd":
            return file
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="salus-bag-")
        plain = Path(self._scratch.name, file.stem)
        with zstd.open(file, "rb") as packed, plain.open("wb") as out:
            while block := packed.read(1 << 20):
                out.write(block)
        return plain

    def _connections(self) -> list[Connection]:
        return [c for reader in self._readers for c in reader.connections]

    def _read(
        self, reader: DamagedMcapReader | Sqlite3Reader, wanted: list[Connection]
    ) -> Iterator[RawMessage]:
        found = (
            reader.messages(wanted) if isinstance(reader, Sqlite3Reader) else reader.read(wanted)
        )
        try:
            for connection, time, data in found:
                if self._compressed_messages:
                    data = zstd.decompress(data)
                yield RawMessage(connection.topic, connection.msgtype, time, data)
        except _UNREADABLE as error:
            self._problem(f"{Path(str(reader.path)).name}: reading ended early: {_line(error)}")

    def _problem(self, *lines: str) -> None:
        self.problems += [line for line in lines if line not in self.problems]


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts bag_2 before bag_10."""
    parts: list[tuple[int, str]] = []
    digits = ""
    for character in [*name, ""]:
        if character.isdigit():
            digits += character
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((-1, character))
    return tuple(parts)


def _line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__
