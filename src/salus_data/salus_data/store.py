"""Read one store: episodes, their records and their rows, and only what is committed.

A reader may open a store that is being written. It reads `meta/episode_ends` first and never looks
at rows beyond it, so an episode appears all at once, when its writer has committed it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.errors import NodeNotFoundError

from salus_data.contract import Contract
from salus_data.episode import EpisodeRecord
from salus_data.errors import FormatError, UnknownNameError, reason
from salus_data.frames import FrameFiles
from salus_data.schema import (
    DATA,
    ENDS,
    IMAGE_PREFIX,
    LABELS,
    READABLE_VERSIONS,
    RECORDS,
    VALID,
    ArraySpec,
    array_specs,
    label_specs,
)
from salus_data.swap import replaced_path

Rows = NDArray[Any]

_READING: Final = {"codec_pipeline.path": "zarr.core.codec_pipeline.FusedCodecPipeline"}
"""zarr's newer way of decoding, without a coroutine for each chunk: a third faster. Writers keep
the other one, which takes over the chunks of a file that it does not change as they are."""

_ATTEMPTS: Final = 5
"""A sharded read asks for index and chunk one after the other; while a writer replaces the file in
between, the chunk does not decode. The next attempt sees the new file."""


class Store:
    """One dataset in one folder, read-only.

    Attributes:
        path: the folder.
        contract: what the numbers mean.
        attributes: of the root: schema_version, contract, versions, provenance; and as `labels`
            those of `horizon_labels`: label_source, horizons, digest, digest_episodes.
        records: (E,) one record an episode, in the order of the rows.
        ends: (E,) int64, the row after the last one of each episode.
        names: of the arrays present, without `data/`.
    """

    path: Path
    contract: Contract
    attributes: Mapping[str, Any]
    records: tuple[EpisodeRecord, ...]
    ends: NDArray[np.int64]
    names: tuple[str, ...]

    def __init__(self, path: Path, *, check_labels: bool = True) -> None:
        """Open a store; with `check_labels` off, labels may be missing or misshapen."""
        self.path = path
        self._check_labels = check_labels
        self._arrays: dict[str, zarr.Array[Any]] = {}
        self._frames: dict[str, FrameFiles] = {}
        self.refresh()

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a store for reading.

        Raises:
            FormatError: it is not a store, of another schema version, or an array is missing,
                truncated or unreadable; the message names the path and the array.
        """
        return cls(Path(path))

    def refresh(self) -> None:
        """Read the list of committed episodes anew."""
        root = open_root(self.path)
        attributes: dict[str, Any] = dict(root.attrs)
        check_version(self.path, attributes)
        try:
            self.contract = Contract.from_json(attributes.get("contract", {}))
        except FormatError as error:
            raise FormatError(f"{self.path}: attribute contract: {error}") from error
        # The order matters while a writer is at work: ends first, the rest can only be longer.
        ends = committed_ends(_read(self.path, ENDS, _member(self.path, root, ENDS)))
        self.ends = ends
        self.records = _read_records(self.path, root, len(ends))
        with zarr.config.set(_READING):
            self._arrays = _open_arrays(self.path, root, self._expected(), self.n_rows)
        self.names = tuple(self._arrays)
        found = {
            n: FrameFiles.of(self.path / DATA / n) for n in self.names if n.startswith(IMAGE_PREFIX)
        }
        self._frames = {name: files for name, files in found.items() if files is not None}
        labels = self._arrays.get(LABELS)
        self.attributes = attributes | {"labels": dict(labels.attrs) if labels else {}}

    def _expected(self) -> dict[str, ArraySpec]:
        labels = label_specs(self.contract) if self._check_labels else {}
        return array_specs(self.contract) | labels

    @property
    def n_rows(self) -> int:
        """Committed rows N."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def __len__(self) -> int:
        """Committed episodes E."""
        return len(self.ends)

    def rows(self, episode: int) -> slice:
        """Where episode number `episode` (0 .. E-1) lies among the rows.

        Raises:
            UnknownNameError: there is no such episode.
        """
        if not 0 <= episode < len(self.ends):
            raise UnknownNameError("episode", episode, [f"0..{len(self.ends) - 1}"])
        return slice(int(self.ends[episode - 1]) if episode else 0, int(self.ends[episode]))

    def length(self, episode: int) -> int:
        """Rows of one episode."""
        rows = self.rows(episode)
        return int(rows.stop - rows.start)

    def read(self, name: str, episode: int) -> Rows:
        """One array over one episode, (T, ...)."""
        rows = self.rows(episode)
        return self.window(name, rows.start, rows.stop)

    def read_all(self, name: str) -> Rows:
        """One array over all committed rows, (N, ...)."""
        return self.window(name, 0, self.n_rows)

    def window(self, name: str, start_row: int, stop_row: int) -> Rows:
        """Rows `start_row` up to, not including, `stop_row` of one array.

        Raises:
            FormatError: the rows are not all committed, or their chunks cannot be decoded.
            UnknownNameError: there is no such array.
        """
        if not 0 <= start_row <= stop_row <= self.n_rows:
            raise FormatError(
                f"{self.path}: rows {start_row}..{stop_row} of {name} asked for, "
                f"{self.n_rows} are committed"
            )
        if name in self._frames and start_row < stop_row:
            return self._frames[name].window(start_row, stop_row)
        array = self.array(name)
        return _read(self.path, f"{DATA}/{name}", array, slice(start_row, stop_row))

    def array(self, name: str) -> "zarr.Array[Any]":
        """The zarr array itself, for its shape and attributes; may hold uncommitted rows."""
        try:
            return self._arrays[name]
        except KeyError:
            raise UnknownNameError(f"array of {self.path}", name, self._arrays) from None


def open_root(path: Path) -> "zarr.Group":
    """Open the root group of a store read-only.

    Raises:
        FormatError: the folder is missing, is no zarr group, or its metadata cannot be parsed.
    """
    if not path.is_dir():
        raise no_such_folder(path)
    try:
        return zarr.open_group(path, mode="r", use_consolidated=False)
    except NodeNotFoundError as error:
        raise FormatError(f"{path}: not a zarr group (no zarr.json or .zgroup in it)") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path}: zarr.json cannot be parsed: {reason(error)}") from error


def no_such_folder(path: Path) -> FormatError:
    """The error about a folder that is missing; says where an interrupted change left it."""
    aside = replaced_path(path)
    hint = f"; an interrupted change left it whole at {aside}: rename it back"
    return FormatError(f"{path}: no such folder{hint if aside.is_dir() else ''}")


def check_version(path: Path, attributes: Mapping[str, Any]) -> None:
    """Raise FormatError unless the root attributes name a schema version that this code reads."""
    version = attributes.get("schema_version")
    if version in READABLE_VERSIONS:
        return
    reads = f"this version of SALUS reads {', '.join(map(str, READABLE_VERSIONS))}"
    if version is None:
        raise FormatError(
            f"{path}: attribute schema_version is missing, so this is no SALUS store ({reads}); "
            "a store of the prototype is read with salus_data.legacy or `salus relabel`"
        )
    raise FormatError(f"{path}: schema_version is {version!r}; {reads}")


def committed_ends(values: Rows) -> NDArray[np.int64]:
    """The part of `meta/episode_ends` that is written: the rows up to the first that does not grow.

    An array is lengthened before or after its chunk is written, depending on the zarr version; an
    end that is not written yet reads as 0.
    """
    ends = np.asarray(values, dtype=np.int64)
    growing = np.diff(ends, prepend=0) > 0
    return ends if growing.all() else ends[: int(np.argmin(growing))]


def _read_records(path: Path, root: "zarr.Group", count: int) -> tuple[EpisodeRecord, ...]:
    array = _member(path, root, RECORDS)
    if array.shape[0] < count:
        raise FormatError(
            f"{path}: {RECORDS} has {array.shape[0]} records, {ENDS} has {count} episodes"
        )
    records = []
    for i, text in enumerate(_read(path, RECORDS, array, slice(0, count))):
        try:
            records.append(EpisodeRecord.from_json(json.loads(str(text))))
        except (json.JSONDecodeError, FormatError) as error:
            raise FormatError(f"{path}: {RECORDS}[{i}]: {error}") from error
    return tuple(records)


def _open_arrays(
    path: Path, root: "zarr.Group", expected: Mapping[str, ArraySpec], n_rows: int
) -> dict[str, "zarr.Array[Any]"]:
    """Every array below data/, after checking that each is there and long enough."""
    folder = path / DATA
    names = (
        sorted(child.name for child in folder.iterdir() if child.is_dir())
        if folder.is_dir()
        else []
    )
    if missing := [name for name in expected if name not in names]:
        raise FormatError(f"{path}: {', '.join(f'{DATA}/{name}' for name in missing)} missing")
    arrays = {name: _member(path, root, f"{DATA}/{name}") for name in names}
    for name, array in arrays.items():
        if name not in expected and name in (LABELS, VALID):
            continue
        if array.shape[:1] < (n_rows,):
            raise FormatError(
                f"{path}: {DATA}/{name} is truncated: {array.shape[0]} rows, {n_rows} committed"
            )
        if name in expected and array.shape[1:] != expected[name].shape:
            raise FormatError(
                f"{path}: {DATA}/{name} has rows of shape {array.shape[1:]}, "
                f"the contract says {expected[name].shape}"
            )
    # A lost chunk file would otherwise read as zeros.
    return {n: array.with_config({"read_missing_chunks": False}) for n, array in arrays.items()}


def _member(path: Path, root: "zarr.Group", name: str) -> "zarr.Array[Any]":
    try:
        array = root.get(name)
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"{path}: metadata of {name} cannot be parsed: {reason(error)}"
        ) from error
    if not isinstance(array, zarr.Array):
        raise FormatError(f"{path}: array {name} is missing")
    return array


def _read(path: Path, name: str, array: "zarr.Array[Any]", rows: slice = slice(None)) -> Rows:
    """The rows of an array; several attempts because a writer may replace the file meanwhile."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return np.asarray(array[rows])
        except Exception as error:  # codecs raise whatever their C library does
            if attempt == _ATTEMPTS:
                raise FormatError(
                    f"{path}: {name} cannot be read from row {rows.start or 0} on: {reason(error)}"
                ) from error
    raise AssertionError("unreachable: the last attempt returns or raises")
