"""Step signals with their labels, episode after episode: what predictors learn from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.episode import EpisodeRecord
from salus_data.view import StoreView


@dataclass(frozen=True)
class StepData:
    """The rows of E episodes, one episode after the other; N rows in all.

    Attributes:
        contract: names and units of the signals, horizons [steps], failure types, step period.
        signals: (N, K) float32 in the contract's order, NaN where a signal has no value.
        labels: (N, H, C) uint8 horizon labels.
        valid: (N, H, C) bool, where the label is known and asked.
        ends: (E,) int64, the row after the last one of each episode.
        records: (E,) what happened in each.
        chunk_phase: (N,) int16 steps since the action chunk was computed, -1 without chunks.
        embedding: (N, M) float16 pooled hidden state of the policy; None where not recorded.
        sources: paths of the stores.
    """

    contract: Contract
    signals: NDArray[np.float32]
    labels: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    ends: NDArray[np.int64]
    records: tuple[EpisodeRecord, ...]
    chunk_phase: NDArray[np.int16]
    embedding: NDArray[np.float16] | None = None
    sources: tuple[str, ...] = ()

    @classmethod
    def read(cls, paths: Path | str | Sequence[Path | str], *, embedding: bool = False) -> Self:
        """Read stores, or folders of stores, whole; images stay where they are.

        Raises:
            SalusError: a path holds no store, or two stores mean different things.
        """
        view = StoreView(paths)
        n_rows = view.n_rows
        has_phase = "chunk_phase" in view.names
        return cls(
            contract=view.contract,
            signals=view.read_all("signals").astype(np.float32, copy=False),
            labels=view.read_all("horizon_labels"),
            valid=view.read_all("label_valid").astype(bool, copy=False),
            ends=view.ends,
            records=view.records,
            chunk_phase=view.read_all("chunk_phase")
            if has_phase
            else np.full(n_rows, -1, np.int16),
            embedding=view.read_all("embedding")
            if embedding and "embedding" in view.names
            else None,
            sources=tuple(str(path) for path in view.paths),
        )

    def __len__(self) -> int:
        """Number of episodes E."""
        return len(self.ends)

    @property
    def n_rows(self) -> int:
        """Number of rows N."""
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def starts(self) -> NDArray[np.int64]:
        """First row of each episode, (E,)."""
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Rows of each episode, (E,)."""
        return np.diff(self.ends, prepend=0)

    @property
    def episode_of_row(self) -> NDArray[np.int64]:
        """Number of the episode each row belongs to, (N,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def step_of_row(self) -> NDArray[np.int64]:
        """Steps since the start of its episode, (N,): a clock, for baselines and reports only."""
        return np.arange(self.n_rows) - np.repeat(self.starts, self.lengths)

    @property
    def signal_names(self) -> tuple[str, ...]:
        """Names of the K signals in their order."""
        return tuple(column.name for column in self.contract.signals)

    def rows(self, episode: int) -> slice:
        """Where an episode lies among the rows."""
        return slice(int(self.starts[episode]), int(self.ends[episode]))

    def subset(self, episodes: Sequence[int] | NDArray[np.int64]) -> Self:
        """The given episodes, in that order."""
        chosen = np.asarray(episodes, dtype=np.int64)
        pieces = [np.arange(self.starts[e], self.ends[e]) for e in chosen]
        rows = np.concatenate(pieces) if pieces else np.empty(0, np.int64)

        def take(array: NDArray[Any]) -> NDArray[Any]:
            taken: NDArray[Any] = array[rows]
            return taken

        return replace(
            self,
            signals=take(self.signals),
            labels=take(self.labels),
            valid=take(self.valid),
            ends=np.cumsum(self.lengths[chosen], dtype=np.int64),
            records=tuple(self.records[int(e)] for e in chosen),
            chunk_phase=take(self.chunk_phase),
            embedding=None if self.embedding is None else take(self.embedding),
        )
