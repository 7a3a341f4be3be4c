"""What a collection still lacks, and how far it is."""

from collections import Counter
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path

from salus_data.store import Store


def store_path(out: Path, worker: int) -> Path:
    """The store that a worker writes, below the folder of the collection."""
    return out / f"w{worker}.zarr"


def bag_path(out: Path, worker: int) -> Path:
    """The bag that a worker writes in this run: the first `bags/wN_R` that does not exist.

    A collection that goes on starts a new bag, as a closed one cannot be appended to.
    """
    folder = out / "bags"
    return next(p for r in count() if not (p := folder / f"w{worker}_{r}").exists())


def indices_to_collect(out: Path, episodes: int, worker: int, workers: int) -> list[int]:
    """The indices below `episodes` that are this worker's and in no store of the collection yet.

    Every worker looks at all stores, so that a collection can be resumed with another number of
    workers.

    Raises:
        FormatError: something in the folder is not a sound store.
    """
    done = {
        record.index for path in sorted(out.glob("*.zarr")) for record in Store.open(path).records
    }
    return [index for index in range(worker, episodes, workers) if index not in done]


def versions() -> dict[str, str]:
    """Of the packages that decide what an episode is; empty for one that is not installed."""
    found = {}
    for package in ("mujoco", "lerobot", "numpy", "zarr"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    return found


@dataclass
class CollectionProgress:
    """How far a collection is; one object, updated in place.

    Attributes:
        total: episodes this worker is to have in the end.
        already: of them, in the store before it began.
        outcomes: committed episodes by outcome, failures by type.
        discarded: (index, reason) of episodes that are not in the store.
        step: of the running episode.
        steps: observations seen.
        steps_recorded: rows committed.
    """

    total: int
    already: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    discarded: list[tuple[int, str]] = field(default_factory=list)
    step: int = 0
    steps: int = 0
    steps_recorded: int = 0

    @property
    def committed(self) -> int:
        """Episodes committed since it began."""
        return sum(self.outcomes.values())

    def line(self) -> str:
        """One line for a log."""
        counts = ", ".join(f"{name} {count}" for name, count in sorted(self.outcomes.items()))
        line = f"{self.already + self.committed} of {self.total} episodes"
        line += f" ({counts})" if counts else ""
        return line + (f", {len(self.discarded)} discarded" if self.discarded else "")


def share_of(
    worker: int, workers: int, out: Path, episodes: int
) -> tuple[CollectionProgress, list[int]]:
    """How far one worker's share of a collection is, and the indices that it still lacks.

    Raises:
        FormatError: something in the folder is not a sound store.
    """
    total = len(range(worker, episodes, workers))
    missing = indices_to_collect(out, episodes, worker, workers)
    return CollectionProgress(total, already=total - len(missing)), missing
