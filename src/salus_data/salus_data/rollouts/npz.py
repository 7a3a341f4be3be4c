"""Step logs as .npz: one episode a file, with hidden states where the policy's were kept."""

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError
from salus_data.rollouts.json_lines import CLOCK
from salus_data.rollouts.rollout import Rollout, make_rollout

HEAD: Final = (
    "success",
    "episode_id",
    "task_id",
    "task_description",
    "task",
    "failure_type",
    "event_step",
    "event_source",
    "seed",
    "length",
)
EMBEDDINGS: Final = ("hidden_states", "embedding")
TABLE, TABLE_NAMES = "signals", "signal_names"


def read_npz(path: Path, advance: Callable[[int], None]) -> Iterator[Rollout]:
    """The one episode of a file.

    `success` and the other fields of an episode are single values. Signals are either one array
    (T,) each, under the signal's name, or `signals` (T, K) with `signal_names` (K,);
    `hidden_states` is (T, M).

    Raises:
        FormatError: names the file and the array.
    """
    arrays = _load(path)
    advance(path.stat().st_size)
    where = str(path)
    head: dict[str, Any] = {
        name: _scalar(where, name, arrays.pop(name)) for name in HEAD if name in arrays
    }
    embeddings = [arrays.pop(name) for name in EMBEDDINGS if name in arrays]
    if len(embeddings) > 1:
        raise FormatError(f"{where}: both {' and '.join(EMBEDDINGS)} are there; keep one")
    names, values = _signals(where, arrays)
    yield make_rollout(
        where,
        head,
        names,
        values,
        default_id=path.stem,
        embedding=embeddings[0] if embeddings else None,
    )


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        # Opened here, because numpy leaves a file that it cannot read open.
        with path.open("rb") as raw:
            file = np.load(raw, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise FormatError(f"{path}: a single array, not an .npz file")
            return {name: file[name] for name in file.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: not an .npz file of plain arrays: {error}") from error


def _scalar(where: str, name: str, value: NDArray[Any]) -> Any:
    if value.size != 1:
        raise FormatError(f"{where}: {name} has shape {value.shape}; it must be a single value")
    return value.reshape(()).item()


def _signals(
    where: str, arrays: dict[str, NDArray[Any]]
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    if TABLE in arrays:
        table = arrays.pop(TABLE)
        if TABLE_NAMES not in arrays:
            raise FormatError(f"{where}: {TABLE_NAMES} is missing beside {TABLE}")
        names = tuple(str(name) for name in np.atleast_1d(arrays.pop(TABLE_NAMES)))
        if table.ndim != 2 or table.shape[1] != len(names) or len(set(names)) != len(names):
            raise FormatError(
                f"{where}: {TABLE} has shape {table.shape}, {TABLE_NAMES} has {len(names)} names "
                f"({len(set(names))} different); it must be (steps, {len(names)})"
            )
        columns = {name: table[:, k] for k, name in enumerate(names)}
        if doubled := sorted(columns.keys() & arrays.keys()):
            raise FormatError(f"{where}: {doubled} are among {TABLE_NAMES} and arrays of their own")
        arrays = columns | arrays
    lengths = {name: value.shape for name, value in arrays.items()}
    if len(set(lengths.values())) > 1 or any(len(shape) != 1 for shape in lengths.values()):
        raise FormatError(f"{where}: every signal must be (steps,), of one length; got {lengths}")
    for name, value in arrays.items():
        if value.dtype.kind not in "iuf":
            raise FormatError(f"{where}: {name} is {value.dtype}; it must be of numbers")
    if (clock := arrays.pop(CLOCK, None)) is not None and (clock != np.arange(len(clock))).any():
        raise FormatError(f"{where}: {CLOCK} must be 0, 1, 2, … without gaps")
    for name, value in arrays.items():
        if np.isnan(value).any():
            raise FormatError(
                f"{where}: {name} is NaN at step {int(np.argmax(np.isnan(value)))}; "
                "leave the signal out, or log the episode as JSON lines with null there"
            )
    if not arrays:
        return (), np.empty((0 if not lengths else next(iter(lengths.values()))[0], 0))
    return tuple(arrays), np.stack([value.astype(np.float64) for value in arrays.values()], axis=1)
