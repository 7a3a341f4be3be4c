"""Read the stores of the SALUS prototype: arrays (E, T, ...) padded to one length, and no events.

    states (E, T, S), actions (E, T, D), signals (E, T, K), horizon_labels (E, T, H, C)
    episode_metadata (E,): {"episode_id", "success", "failure_type", "episode_length", "timestamp"}

Such a store says whether an episode failed and how, never when. Labels can only be computed under
an assumption, which has to be said out loud: `event_step="last"`, the event is the last row.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
import zarr
from numpy.typing import NDArray

from salus_data.episode import EpisodeRecord
from salus_data.errors import FormatError, UnknownNameError, reason
from salus_data.store import open_root
from salus_data.types import FAILURE_TYPES, NO_FAILURE, Outcome

METADATA: Final = "episode_metadata"
LEGACY_LABELS: Final = "horizon_labels"

EventStep = Literal["last"]


@dataclass(frozen=True)
class LegacyEpisode:
    """What the prototype recorded of one episode: `length` rows are real, the rest is padding."""

    id: str
    success: bool
    failure_type: int
    length: int
    timestamp: str


class LegacyStore:
    """A store of the prototype, read-only, on disk in zarr format 2 or 3.

    Attributes:
        path: the folder.
        names: arrays that run over episodes and steps.
        episodes: (E,) what is known of each.
        attributes: of the root.
        n_steps: T, to which every episode is padded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        root = open_root(path)
        if METADATA not in root or LEGACY_LABELS not in root:
            raise FormatError(
                f"{path}: no store of the prototype; it would have the arrays {METADATA} and "
                f"{LEGACY_LABELS} at the root"
            )
        self.attributes: Mapping[str, Any] = dict(root.attrs)
        # A missing chunk reads as zeros here: zarr by default does not write one that is all zero,
        # and the prototype's labels were.
        self._arrays = {
            name: array for name, array in root.arrays() if name != METADATA and array.ndim >= 2
        }
        texts = self._read_metadata(root)
        labels = self._arrays[LEGACY_LABELS]
        if labels.ndim != 4:
            raise FormatError(
                f"{path}: {LEGACY_LABELS} has shape {labels.shape}, expected (E, T, H, C)"
            )
        self.n_steps = int(labels.shape[1])
        self.names = tuple(sorted(self._arrays))
        for name, array in self._arrays.items():
            if array.shape[:2] != (len(texts), self.n_steps):
                raise FormatError(
                    f"{path}: {name} has shape {array.shape}; {METADATA} has {len(texts)} "
                    f"episodes and {LEGACY_LABELS} {self.n_steps} steps"
                )
        self.episodes = tuple(self._parse(i, text) for i, text in enumerate(texts))

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a store of the prototype.

        Raises:
            FormatError: it is none, or an array or a piece of metadata contradicts the rest.
        """
        return cls(Path(path))

    def __len__(self) -> int:
        """Episodes E."""
        return len(self.episodes)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(E,) real rows of each episode."""
        return np.array([episode.length for episode in self.episodes], dtype=np.int64)

    def array(self, name: str) -> "zarr.Array[Any]":
        """The zarr array itself, (E, T, ...), padding included."""
        try:
            return self._arrays[name]
        except KeyError:
            raise UnknownNameError(f"array of {self.path}", name, self._arrays) from None

    def read(self, name: str, episode: int) -> NDArray[Any]:
        """One array over the real rows of one episode, (T, ...)."""
        if not 0 <= episode < len(self):
            raise UnknownNameError("episode", episode, [f"0..{len(self) - 1}"])
        try:
            rows = np.asarray(self.array(name)[episode])
        except (ValueError, OSError, RuntimeError) as error:
            raise FormatError(f"{self.path}: {name}, episode {episode}: {reason(error)}") from error
        return rows[: self.episodes[episode].length]

    def records(self, event_step: EventStep | None) -> tuple[EpisodeRecord, ...]:
        """One record an episode, (E,).

        Args:
            event_step: `last` dates every failure at its episode's last row. A success needs no
                date: no failure came, whenever it succeeded.

        Raises:
            FormatError: `event_step` is not given, and a store without events has no labels.
        """
        if event_step != "last":
            raise FormatError(
                f"{self.path}: this store does not say when its {self._n_failed()} failures "
                "happened. Labels can be computed only under an assumption: give "
                "event_step='last' (--event-step last) to date each at its last row"
            )
        return tuple(
            EpisodeRecord(
                id=episode.id,
                index=i,
                seed=-1,
                outcome=Outcome.SUCCESS if episode.success else Outcome.FAILURE,
                failure_type=episode.failure_type,
                onset_step=-1 if episode.success else episode.length - 1,
                event_source="last_step",
            )
            for i, episode in enumerate(self.episodes)
        )

    def _n_failed(self) -> int:
        return sum(not episode.success for episode in self.episodes)

    def _read_metadata(self, root: "zarr.Group") -> list[str]:
        array = root[METADATA]
        if not isinstance(array, zarr.Array) or array.ndim != 1:
            raise FormatError(f"{self.path}: {METADATA} is not an array (E,) of JSON strings")
        try:
            values = np.asarray(array[:]).tolist()
        except Exception as error:  # codecs raise whatever they like
            raise FormatError(f"{self.path}: {METADATA} cannot be read: {reason(error)}") from error
        return [v.decode() if isinstance(v, bytes) else str(v) for v in values]

    def _parse(self, i: int, text: str) -> LegacyEpisode:
        where = f"{self.path}: {METADATA}[{i}]"
        try:
            data = json.loads(text)
            success, kind = data["success"], data["failure_type"]
            length = data.get("episode_length", self.n_steps)
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"{where} is {text!r}: {error!r}") from error
        if not isinstance(success, bool):
            raise FormatError(f"{where}: success is {success!r}; valid: true, false")
        if not isinstance(length, int) or not 1 <= length <= self.n_steps:
            raise FormatError(f"{where}: episode_length is {length!r}; valid: 1..{self.n_steps}")
        return LegacyEpisode(
            id=str(data.get("episode_id", i)),
            success=success,
            failure_type=NO_FAILURE if success else _failure_type(where, kind),
            length=length,
            timestamp=str(data.get("timestamp", "")),
        )


def is_legacy(path: Path | str) -> bool:
    """Whether a folder holds a store of the prototype.

    Raises:
        FormatError: it is no zarr group at all.
    """
    root = open_root(Path(path))
    return "schema_version" not in root.attrs and METADATA in root


def _failure_type(where: str, kind: object) -> int:
    if isinstance(kind, str) and kind in FAILURE_TYPES:
        return FAILURE_TYPES.index(kind)
    if isinstance(kind, int) and not isinstance(kind, bool) and 0 <= kind < len(FAILURE_TYPES):
        return kind
    known = ", ".join(f"{i} {name}" for i, name in enumerate(FAILURE_TYPES))
    raise FormatError(f"{where}: failure_type of a failed episode is {kind!r}; known: {known}")
