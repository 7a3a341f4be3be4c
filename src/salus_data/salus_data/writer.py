"""Write a store, one whole episode at a time.

An episode is committed by one rename: that of the metadata file of `meta/episode_ends`, which
makes its end visible after everything else has been written. A writer that is killed before loses
the open episode and nothing else; what it left behind is cut away when the store is next opened
for writing, and no reader ever sees it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import zarr
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.create import create_store, label_attributes
from salus_data.episode import EpisodeRecord
from salus_data.errors import ContractMismatchError, FormatError, SalusError
from salus_data.labels import compute_horizon_labels
from salus_data.lock import WriterLock
from salus_data.row_files import FramesAhead, append_rows
from salus_data.schema import (
    DATA,
    ENDS,
    LABELS,
    RECORDS,
    VALID,
    ArraySpec,
    array_specs,
    label_specs,
)
from salus_data.store import Store
from salus_data.validation import check_episode

LOCK_FILE: Final = "meta/episode_ends/writer.lock"
"""Inside an array's folder, where zarr does not take it for an unknown member of a group."""

HELD_BYTES: Final = 128 << 20
"""Size of the episodes that are held at most, without their images [bytes]."""


class StoreWriteError(SalusError, OSError):
    """Raised when the disk refuses; committed episodes are intact, opening again recovers."""


class StoreWriter:
    """Appends episodes to one store; a context manager, exclusive for its store.

    Attributes:
        path: the folder of the store.
        contract: what the numbers mean.
        committed: `index` of every committed episode, for a collection that resumes.
    """

    def __init__(
        self, path: Path, contract: Contract, specs: Mapping[str, ArraySpec], lock: WriterLock
    ) -> None:
        self.path = path
        self.contract = contract
        self._specs = dict(specs)
        self._lock = lock
        store = Store.open(path)
        _require_same_contract(path, store.contract, contract)
        _require_same_arrays(path, store, self._specs | label_specs(contract))
        self._records = list(store.records)
        self._ends = store.ends.tolist()
        self.committed = {record.index for record in self._records}
        self._ids = {record.id for record in self._records}
        self._held: list[tuple[EpisodeRecord, dict[str, NDArray[Any]]]] = []
        self._held_bytes = 0
        self._incomplete = False
        root = zarr.open_group(path, mode="r+")
        self._rows = {
            name: _array(root, f"{DATA}/{name}").with_config({"write_empty_chunks": True})
            for name in (*self._specs, LABELS, VALID)
        }
        self._episodes = _array(root, RECORDS)
        self._episode_ends = _array(root, ENDS)
        self._cut_tails()
        images = {n: self._rows[n] for n, spec in self._specs.items() if spec.is_image}
        self._frames = FramesAhead(images, self._ends[-1] if self._ends else 0)

    @classmethod
    def open(
        cls,
        path: Path | str,
        contract: Contract,
        *,
        images: Mapping[str, tuple[int, int]] | None,
        provenance: Mapping[str, Any],
        embedding_size: int = 0,
        sim_state_size: int = 0,
    ) -> Self:
        """Create a store, or open an existing one to append to it.

        Args:
            path: the folder, by custom `NAME.zarr`.
            contract: what the numbers mean; an existing store must have the same one.
            images: (height, width) in pixels by camera; None for a store without images.
            provenance: plain data that says how the episodes are made; written at creation only.
            embedding_size: width of `embedding`; 0 for none.
            sim_state_size: width of `sim_state`; 0 for none.

        Raises:
            ContractMismatchError: the existing store has another contract or other arrays.
            FormatError: the path is taken by something that is not a store of this schema.
            StoreLockedError: another writer has it open.
            StoreWriteError: the disk refuses.
        """
        path = Path(path)
        specs = array_specs(
            contract, images, embedding_size=embedding_size, sim_state_size=sim_state_size
        )
        try:
            if not path.exists() or not any(path.iterdir()):
                create_store(path, contract, specs.values(), provenance)
            Store.open(path)  # an error about the format comes before one about the lock
            lock = WriterLock(path / LOCK_FILE)
            try:
                return cls(path, contract, specs, lock)
            except BaseException:
                lock.release()
                raise
        except SalusError:
            raise
        except OSError as error:
            raise StoreWriteError(f"{path}: cannot be opened for writing: {error}") from error

    def append(self, record: EpisodeRecord, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write one whole episode and commit it; labels follow from the record.

        Args:
            record: what happened; its outcome is known, its id and index are new to this store.
            arrays: every array of the store but the labels, T rows each. The last row is the
                observation at which the episode ended; its action was never executed.

        Raises:
            FormatError: something does not fit; nothing was written.
            StoreWriteError: the disk refused. Committed episodes are intact; this writer takes no
                more, opening the store again recovers it.
        """
        self.hold(record, arrays)
        self.commit()

    def hold(self, record: EpisodeRecord, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Check one whole episode and keep it for `commit`; arguments as of `append`.

        An episode costs some thirty files to replace, however short it is, and several that are
        committed together cost no more than one. Images are written ahead, behind the last
        commit, where no reader looks. When HELD_BYTES are reached, all are committed, and so they
        are at the end of a `with` block that ends without an error.

        Raises:
            FormatError: something does not fit; it is not held.
            StoreWriteError: the disk refused, now or earlier.
        """
        self._require_complete()
        held = [other for other, _ in self._held]
        if (
            record.id in self._ids
            or record.index in self.committed
            or any(record.id == other.id or record.index == other.index for other in held)
        ):
            raise FormatError(
                f"{self.path}: episode {record.id} (index {record.index}) is already in the store"
            )
        rows = check_episode(self.contract, self._specs, record, arrays)
        self._frames.take_from(rows)
        self._held.append((record, rows))
        self._held_bytes += sum(values.nbytes for values in rows.values())
        if self._held_bytes >= HELD_BYTES:
            self.commit()
        elif self._frames.full:
            with self._writing():
                self._frames.write()

    def commit(self) -> None:
        """Write the episodes that are held; a reader meets all of them at once.

        Raises:
            StoreWriteError: the disk refused, as for `append`.
        """
        self._require_complete()
        if not self._held:
            return
        records = [record for record, _ in self._held]
        ends = np.cumsum([len(rows["stamp"]) for _, rows in self._held])
        labels, valid = compute_horizon_labels(
            ends, records, self.contract.horizons, len(self.contract.failure_types)
        )
        start = self._ends[-1] if self._ends else 0
        with self._writing():
            self._frames.write()
            for name in self._held[0][1]:
                append_rows(self._rows[name], start, [rows[name] for _, rows in self._held])
            append_rows(self._rows[LABELS], start, [labels])
            append_rows(self._rows[VALID], start, [valid])
            self._commit(records, (start + ends).tolist())
        self._held.clear()
        self._held_bytes = 0

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """While the store is changed: whatever interrupts it leaves a writer that takes no more."""
        self._incomplete = True
        try:
            yield
        except OSError as error:
            held = ", ".join(record.id for record, _ in self._held)
            raise StoreWriteError(
                f"{self.path}: episode {held} could not be written: {error}. {len(self._ends)} "
                "committed episodes are intact; make room and open the store again"
            ) from error
        self._incomplete = False

    def _require_complete(self) -> None:
        if self._incomplete:
            raise StoreWriteError(
                f"{self.path}: an earlier episode was not written completely; "
                "open the store again to recover it"
            )

    def close(self) -> None:
        """Write what the labels follow from, and let the next writer in."""
        try:
            if not self._incomplete:
                self._describe_labels()
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.commit()
        finally:
            self.close()

    def _commit(self, records: Sequence[EpisodeRecord], ends: Sequence[int]) -> None:
        count = len(self._ends)
        total = count + len(records)
        self._episodes.resize((total,))
        self._episodes[count:] = np.array([json.dumps(r.to_json()) for r in records], object)
        # The ends go into their chunk through an array that is longer in memory only. So the
        # rename of the metadata file is the commit, and no reader meets an end that reads as 0.
        stored = self._episode_ends
        metadata: Any = stored.metadata.update_shape((total,))
        longer: zarr.Array[Any] = zarr.Array(
            zarr.AsyncArray(metadata=metadata, store_path=stored.store_path)
        )
        longer[count:] = np.array(ends, np.int64)
        stored.resize((total,))
        self._records += records
        self._ends += ends
        self.committed.update(record.index for record in records)
        self._ids.update(record.id for record in records)
        if not count:  # a writer that is killed describes nothing later
            self._describe_labels()

    def _cut_tails(self) -> None:
        """Remove what a killed writer left: rows and records beyond the commit, partial files."""
        for partial in self.path.rglob("*.partial"):
            partial.unlink()
        end = self._ends[-1] if self._ends else 0
        for array in self._rows.values():
            if array.shape[0] > end:
                array.resize((end, *array.shape[1:]))
        for array in (self._episodes, self._episode_ends):
            if array.shape[0] > len(self._ends):
                array.resize((len(self._ends),))
        self._describe_labels()

    def _describe_labels(self) -> None:
        facts = label_attributes(self.contract, self._ends, self._records)
        for name in (LABELS, VALID):
            self._rows[name] = self._rows[name].update_attributes(facts)


def _array(root: "zarr.Group", name: str) -> "zarr.Array[Any]":
    array = root[name]
    assert isinstance(array, zarr.Array)
    return array


def _require_same_contract(path: Path, stored: Contract, given: Contract) -> None:
    for field in fields(Contract):
        old, new = getattr(stored, field.name), getattr(given, field.name)
        if old != new:
            raise ContractMismatchError(
                f"{path} was written with {field.name} = {old}, now it is {new}; "
                "write to another store"
            )


def _require_same_arrays(path: Path, store: Store, specs: Mapping[str, ArraySpec]) -> None:
    old = {n: (store.array(n).shape[1:], str(store.array(n).dtype)) for n in store.names}
    new = {n: (spec.shape, spec.dtype) for n, spec in specs.items()}
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            raise ContractMismatchError(
                f"{path}: {DATA}/{name} in the store is {old.get(name, 'absent')}, "
                f"now it is {new.get(name, 'absent')}; write to another store"
            )
