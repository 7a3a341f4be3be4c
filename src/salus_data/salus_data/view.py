"""Several stores read as one: the episodes of all workers, in the order of their index."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.episode import EpisodeRecord
from salus_data.errors import ContractMismatchError, FormatError, UnknownNameError
from salus_data.store import Store, no_such_folder


class StoreView:
    """Episodes of one or more stores, sorted by index, then id; read-only.

    A collection's episodes are the same whatever the number of workers and stores, so its view is
    too. Row numbers are those of the view, as if its episodes stood in one store.

    Attributes:
        stores: in the order given.
        contract: of the first store; all mean the same.
        records: (E,) sorted.
        ends: (E,) int64, the row after the last one of each episode.
        names: arrays that every store has.
    """

    def __init__(self, paths: Path | str | Iterable[Path | str]) -> None:
        """Open stores, or folders of stores.

        Raises:
            FormatError: a path holds no store, or an episode is in two stores.
            ContractMismatchError: two stores mean different things, or have other horizons.
        """
        given = [paths] if isinstance(paths, Path | str) else list(paths)
        found = [store for path in given for store in store_paths(Path(path))]
        if not found:
            raise FormatError("no store was given")
        self.stores = tuple(Store.open(path) for path in found)
        self._arrange()

    def refresh(self) -> None:
        """See the episodes that writers have committed since."""
        for store in self.stores:
            store.refresh()
        self._arrange()

    def _arrange(self) -> None:
        first = self.stores[0]
        for store in self.stores[1:]:
            _require_same_meaning(first, store)
        places = sorted(
            (
                (record.index, record.id, number, episode)
                for number, store in enumerate(self.stores)
                for episode, record in enumerate(store.records)
            ),
        )
        self._places = [(self.stores[number], episode) for _, _, number, episode in places]
        self.contract: Contract = first.contract
        self.records: tuple[EpisodeRecord, ...] = tuple(s.records[i] for s, i in self._places)
        _require_unique(self._places)
        lengths = [store.length(episode) for store, episode in self._places]
        self.ends: NDArray[np.int64] = np.cumsum(lengths, dtype=np.int64)
        common = set(first.names).intersection(*(store.names for store in self.stores))
        self.names: tuple[str, ...] = tuple(sorted(common))

    @property
    def paths(self) -> tuple[Path, ...]:
        """Of the stores."""
        return tuple(store.path for store in self.stores)

    @property
    def n_rows(self) -> int:
        """Committed rows N of all stores."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def __len__(self) -> int:
        """Committed episodes E of all stores."""
        return len(self.ends)

    def locate(self, episode: int) -> tuple[Store, int]:
        """The store of an episode (0 .. E-1) and its number there.

        Raises:
            UnknownNameError: there is no such episode.
        """
        if not 0 <= episode < len(self._places):
            raise UnknownNameError("episode", episode, [f"0..{len(self._places) - 1}"])
        return self._places[episode]

    def rows(self, episode: int) -> slice:
        """Where an episode lies among the rows of the view."""
        store, number = self.locate(episode)
        stop = int(self.ends[episode])
        return slice(stop - store.length(number), stop)

    def length(self, episode: int) -> int:
        """Rows of one episode."""
        store, number = self.locate(episode)
        return store.length(number)

    def read(self, name: str, episode: int) -> NDArray[Any]:
        """One array over one episode, (T, ...)."""
        store, number = self.locate(episode)
        return store.read(name, number)

    def read_all(self, name: str) -> NDArray[Any]:
        """One array over all rows, (N, ...); each store is read once, in one piece."""
        whole = {id(store): store.read_all(name) for store in self.stores}
        if len(self.stores) == 1 and self._in_storage_order():
            return whole[id(self.stores[0])]
        return np.concatenate(
            [whole[id(store)][store.rows(number)] for store, number in self._places]
            or list(whole.values())
        )

    def window(self, name: str, start_row: int, stop_row: int) -> NDArray[Any]:
        """Rows `start_row` up to, not including, `stop_row` of one array.

        Raises:
            FormatError: the rows are not all there.
            UnknownNameError: there is no such array.
        """
        if not 0 <= start_row <= stop_row <= self.n_rows:
            raise FormatError(
                f"rows {start_row}..{stop_row} of {name} asked for, the view has {self.n_rows}"
            )
        first = int(np.searchsorted(self.ends, start_row, side="right"))
        last = int(np.searchsorted(self.ends, stop_row, side="left"))
        pieces = []
        for episode in range(first, min(last, len(self) - 1) + 1):
            store, number = self._places[episode]
            begin = self.rows(episode).start
            offset = store.rows(number).start - begin
            low, high = max(start_row, begin), min(stop_row, int(self.ends[episode]))
            pieces.append(store.window(name, low + offset, high + offset))
        if not pieces:
            return self.stores[0].window(name, 0, 0)
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _in_storage_order(self) -> bool:
        return [number for _, number in self._places] == list(range(len(self._places)))


def store_paths(path: Path) -> list[Path]:
    """The store at `path`, or the stores in the folder `path`, sorted by name.

    Raises:
        FormatError: it is neither a store nor a folder with `*.zarr` in it.
    """
    if not path.is_dir():
        raise no_such_folder(path)
    if any((path / name).exists() for name in ("zarr.json", ".zgroup")):
        return [path]
    stores = sorted(child for child in path.glob("*.zarr") if not child.name.startswith("."))
    if not stores:
        raise FormatError(f"{path}: neither a store nor a folder with stores NAME.zarr in it")
    return stores


def _require_same_meaning(first: Store, other: Store) -> None:
    try:
        first.contract.require_same_meaning(other.contract)
    except ContractMismatchError as error:
        raise ContractMismatchError(f"{first.path} and {other.path}: {error}") from error
    ours, theirs = first.contract.horizons, other.contract.horizons
    if ours != theirs:
        raise ContractMismatchError(
            f"{first.path} has labels for horizons {list(ours)}, {other.path} for {list(theirs)} "
            "steps; `salus relabel --horizons` makes them the same"
        )


def _require_unique(places: list[tuple[Store, int]]) -> None:
    seen: dict[str, Path] = {}
    for store, number in places:
        name = store.records[number].id
        if name in seen:
            raise FormatError(f"episode {name} is in {seen[name]} and in {store.path}")
        seen[name] = store.path
