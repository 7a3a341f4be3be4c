"""One store as far as it can be read: what is broken becomes a finding, the rest is examined.

The reader (`salus_data.store`) refuses a broken store at the first fault. The doctor wants all of
them, so it takes the parts one by one.
"""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.doctor.findings import Finding, Severity
from salus_data.episode import EpisodeRecord
from salus_data.errors import FormatError, reason
from salus_data.schema import DATA, LABELS, VALID

Rows = NDArray[Any]


@dataclass
class Source:
    """The readable parts of one store.

    Attributes:
        path: of the store.
        attributes: of its root group.
        contract: None where it is missing or broken.
        records: one an episode; None where that record is broken.
        ends: (E,) row after the last one of each episode.
        arrays: zarr arrays (or views of legacy ones), one row a step.
        label_attributes: label_source, horizons and digest of `horizon_labels`.
        legacy: whether it has the layout of the prototype.
        findings: what was found so far.
    """

    path: Path
    attributes: dict[str, Any] = field(default_factory=dict)
    contract: Contract | None = None
    records: list[EpisodeRecord | None] = field(default_factory=list)
    ends: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    arrays: dict[str, Any] = field(default_factory=dict)
    label_attributes: dict[str, Any] = field(default_factory=dict)
    legacy: bool = False
    findings: list[Finding] = field(default_factory=list)
    _cache: dict[str, Rows | None] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Committed rows N."""
        return int(self.ends[-1]) if len(self.ends) else 0

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(E,) first row of each episode."""
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(E,) rows of each episode."""
        return self.ends - self.starts

    @cached_property
    def episode_of_row(self) -> NDArray[np.int64]:
        """(N,) number of the episode a row belongs to."""
        return np.repeat(np.arange(len(self.ends)), self.lengths)

    @cached_property
    def step_of_row(self) -> NDArray[np.int64]:
        """(N,) step of a row within its episode."""
        return np.arange(self.n_rows) - np.repeat(self.starts, self.lengths)

    @property
    def complete_records(self) -> list[tuple[int, EpisodeRecord]]:
        """(number, record) of every episode whose record can be read."""
        pairs = zip(range(len(self.ends)), self.records, strict=False)
        return [(i, record) for i, record in pairs if record is not None]

    def episode_name(self, episode: int) -> str:
        """The id of an episode, or `#number` where its record is broken."""
        record = self.records[episode] if episode < len(self.records) else None
        return record.id if record is not None else f"#{episode}"

    def add(
        self,
        severity: Severity,
        code: str,
        message: str,
        advice: str,
        *,
        field: str = "",
        episode: int | None = None,
        step: int | None = None,
        count: int = 1,
    ) -> None:
        """Note a finding; `episode` is its number in this store."""
        name = "" if episode is None else self.episode_name(episode)
        self.findings.append(
            Finding(severity, code, str(self.path), message, advice, field, name, step, count)
        )

    def add_rows(
        self,
        severity: Severity,
        code: str,
        rows: NDArray[np.bool_],
        message: str,
        advice: str,
        *,
        field: str,
    ) -> None:
        """Note one finding about all marked rows (N,), dated at the first; none marked, none noted.

        `{first}` in the message stands for the number of the first marked row.
        """
        marked = np.flatnonzero(rows)
        if len(marked) == 0:
            return
        row = int(marked[0])
        episodes = len(np.unique(self.episode_of_row[marked]))
        self.add(
            severity,
            code,
            f"{message} ({len(marked)} steps of {episodes} episodes)",
            advice,
            field=field,
            episode=int(self.episode_of_row[row]),
            step=int(self.step_of_row[row]),
            count=len(marked),
        )

    def read(self, name: str, rows: slice | None = None) -> Rows | None:
        """Rows of one array, all committed ones by default; None where it cannot be read.

        The whole array is kept, so that every check reads it once; images are never read whole.
        """
        if rows is None and name in self._cache:
            return self._cache[name]
        values = self._read(name, rows or slice(0, self.n_rows))
        if rows is None:
            self._cache[name] = values
        return values

    def _read(self, name: str, rows: slice) -> Rows | None:
        if name not in self.arrays or self.arrays[name].shape[0] < rows.stop:
            return None
        try:
            return np.asarray(self.arrays[name][rows])
        except Exception as error:  # noqa: BLE001  codecs raise whatever their C library does
            if name not in {finding.field for finding in self.findings}:
                self.add(
                    Severity.ERROR,
                    "array_unreadable",
                    f"rows {rows.start} to {rows.stop} of {name} cannot be read: {reason(error)}",
                    "a chunk is lost or damaged: restore it, or collect these episodes again",
                    field=name,
                )
            return None

    def columns(self, name: str) -> list[str]:
        """Column names of `signals`, `state`, `action` and so on, for messages."""
        if self.contract is not None:
            if name.startswith("action"):
                return list(self.contract.action_space.names)
            columns = {
                "signals": self.contract.signals,
                "state": self.contract.state,
                "perceived": self.contract.perceived,
            }.get(name)
            if columns is not None:
                return [column.name for column in columns]
        shape = self.arrays[name].shape
        return [f"{name}[{i}]" for i in range(int(shape[1]) if len(shape) > 1 else 1)]


def read_group(source: Source, root: "zarr.Group") -> None:
    """Fill records, ends, arrays and label attributes from an open store."""
    ends = _array(source, root, "meta/episode_ends")
    texts = _array(source, root, "meta/episodes")
    source.ends = _ends(source, ends)
    source.records = _records(source, texts)
    group = _member(source, root, DATA)
    if not isinstance(group, zarr.Group):
        source.add(
            Severity.ERROR,
            "array_missing",
            f"the group {DATA} is missing",
            "this folder holds no recorded steps: collect again",
            field=DATA,
        )
        return
    for name in sorted(_keys(source, group)):
        array = _member(source, group, name)
        if isinstance(array, zarr.Array):
            # A lost chunk file would otherwise read as zeros.
            source.arrays[name] = array.with_config({"read_missing_chunks": False})
    if LABELS in source.arrays:
        source.label_attributes = dict(source.arrays[LABELS].attrs)


def label_arrays(source: Source) -> tuple[Rows | None, NDArray[np.bool_] | None]:
    """Labels (N, H, C) and validity; None where they are missing or of another shape."""
    labels, valid = source.read(LABELS), source.read(VALID)
    if labels is None or labels.ndim != 3:
        return None, None
    if valid is None or valid.shape != labels.shape:
        return labels, None
    return labels, valid.astype(bool)


def _keys(source: Source, group: "zarr.Group") -> list[str]:
    try:
        return list(group.keys())
    except Exception as error:  # noqa: BLE001  zarr raises many kinds for a damaged group
        source.add(
            Severity.ERROR,
            "array_unreadable",
            f"the members of {group.path} cannot be listed: {reason(error)}",
            "the metadata are damaged: restore the folder",
            field=str(group.path),
        )
        return []


def _member(source: Source, group: "zarr.Group", name: str) -> Any:
    try:
        return group.get(name)
    except Exception as error:  # noqa: BLE001  zarr raises many kinds for damaged metadata
        source.add(
            Severity.ERROR,
            "array_unreadable",
            f"the metadata of {name} cannot be read: {reason(error)}",
            "restore its zarr.json, or collect again",
            field=name,
        )
        return None


def _array(source: Source, root: "zarr.Group", name: str) -> Rows | None:
    array = _member(source, root, name)
    if not isinstance(array, zarr.Array):
        if array is None and name not in {finding.field for finding in source.findings}:
            source.add(
                Severity.ERROR,
                "array_missing",
                f"{name} is missing",
                "without it no episode counts as committed: restore it, or collect again",
                field=name,
            )
        return None
    try:
        return np.asarray(array[...])
    except Exception as error:  # noqa: BLE001  codecs raise whatever their C library does
        source.add(
            Severity.ERROR,
            "array_unreadable",
            f"{name} cannot be read: {reason(error)}",
            "a chunk is lost or damaged: restore it, or collect again",
            field=name,
        )
        return None


def _ends(source: Source, values: Rows | None) -> NDArray[np.int64]:
    if values is None:
        return np.empty(0, np.int64)
    ends = values.astype(np.int64).reshape(-1)
    growing = np.diff(ends, prepend=0) > 0
    if growing.all():
        return ends
    first = int(np.argmin(growing))
    source.add(
        Severity.ERROR,
        "episode_ends",
        f"episode_ends does not grow at entry {first}: {ends[first]} after "
        f"{ends[first - 1] if first else 0}",
        "the entries from there on are not examined; restore the array, or collect again",
        field="meta/episode_ends",
    )
    return ends[:first]


def _records(source: Source, texts: Rows | None) -> list[EpisodeRecord | None]:
    count = len(source.ends)
    if texts is None:
        return [None] * count
    if len(texts) < count:
        source.add(
            Severity.ERROR,
            "records_missing",
            f"{len(texts)} records for {count} episodes",
            "restore meta/episodes, or collect again",
            field="meta/episodes",
        )
    records: list[EpisodeRecord | None] = []
    for i in range(count):
        record = None
        if i < len(texts):
            try:
                record = EpisodeRecord.from_json(json.loads(str(texts[i])))
            except (json.JSONDecodeError, FormatError, AttributeError, TypeError) as error:
                source.add(
                    Severity.ERROR,
                    "record_invalid",
                    f"the record of episode number {i} cannot be read: {error}",
                    "correct the field that is named; docs/DATA_FORMAT.md lists them all",
                    field=f"meta/episodes[{i}]",
                    episode=None,
                )
        records.append(record)
    return records
