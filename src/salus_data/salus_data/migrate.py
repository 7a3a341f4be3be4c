"""Carry a store of the prototype over into the layout of SALUS.

What the prototype did not record stays unknown and says so: columns are named by their number,
their unit is `unknown`, action limits are those of the number format.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.action_space import ActionSpace
from salus_data.contract import Column, Contract
from salus_data.errors import FormatError
from salus_data.legacy import LEGACY_LABELS, EventStep, LegacyStore
from salus_data.relabel import legacy_horizons
from salus_data.schema import IMAGE_PREFIX, VALID
from salus_data.swap import built_beside
from salus_data.types import SupervisorStatus, Validity
from salus_data.writer import StoreWriter

_KNOWN: Final = ("states", "actions", "signals", LEGACY_LABELS, VALID)
_LIMIT: Final = sys.float_info.max


@dataclass(frozen=True)
class MigrationReport:
    """What was carried over; `left_out` names the arrays that have no place in the new layout."""

    path: str
    out: str
    episodes: int
    rows: int
    images: tuple[str, ...]
    left_out: tuple[str, ...]


def migrate(
    path: Path | str,
    out: Path | str,
    *,
    step_period: float,
    event_step: EventStep | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> MigrationReport:
    """Write a store of the prototype as a store of SALUS; labels are computed anew.

    Args:
        path: the store of the prototype; it is only read.
        out: the new store, which must not exist.
        step_period: seconds between two steps; the prototype did not record it.
        event_step: `last` dates every failure at its episode's last row, the only choice there is.
        progress: hears (episodes written, episodes in all).

    Raises:
        FormatError: `out` exists, `event_step` is missing, the store is broken, or holds values
            that no store may hold, such as an infinite state.
    """
    out = Path(out)
    if out.exists():
        raise FormatError(f"{out} exists; name a folder that does not")
    legacy = LegacyStore.open(path)
    records = legacy.records(event_step)
    for name in ("states", "actions", "signals"):
        if legacy.array(name).ndim != 3:
            raise FormatError(
                f"{legacy.path}: {name} has shape {legacy.array(name).shape}, expected (E, T, ...)"
            )
    cameras = _cameras(legacy)
    contract = _contract(legacy, cameras, step_period)
    left_out = tuple(
        name
        for name in legacy.names
        if name not in _KNOWN and name not in {source for source, _ in cameras.values()}
    )
    images = {camera: _frame_size(legacy, source) for camera, (source, _) in cameras.items()}
    provenance = {
        "migrated_from": str(legacy.path),
        "event_step": event_step,
        "step_period": "as given by the user",
        "left_out": list(left_out),
        "attributes": dict(legacy.attributes),
    }
    stamp = 0
    with (
        built_beside(out) as staging,
        StoreWriter.open(staging, contract, images=images or None, provenance=provenance) as writer,
    ):
        for i, record in enumerate(records):
            arrays = _arrays(legacy, i, contract, cameras)
            steps = np.arange(1, legacy.episodes[i].length + 1)
            arrays["stamp"] = stamp + np.rint(steps * step_period * 1e9).astype(np.int64)
            stamp = int(arrays["stamp"][-1])
            writer.hold(record, arrays)
            progress(i + 1, len(records))
    rows = int(legacy.lengths.sum())
    return MigrationReport(str(legacy.path), str(out), len(legacy), rows, tuple(cameras), left_out)


def _contract(
    legacy: LegacyStore, cameras: Mapping[str, tuple[str, int | None]], step_period: float
) -> Contract:
    def columns(name: str, *, optional: bool = False) -> tuple[Column, ...]:
        width = legacy.array(f"{name}s").shape[2]
        return tuple(Column(f"{name}.{i}", "unknown", optional) for i in range(width))

    actions = columns("action")
    return Contract(
        step_period=step_period,
        action_space=ActionSpace(
            "unknown",
            tuple(column.name for column in actions),
            tuple(column.unit for column in actions),
            (-_LIMIT,) * len(actions),
            (_LIMIT,) * len(actions),
        ),
        state=columns("state"),
        perceived=(),
        signals=columns("signal", optional=True),
        cameras=tuple(cameras),
        horizons=legacy_horizons(legacy),
        task="unknown",
        policy="unknown",
    )


def _cameras(legacy: LegacyStore) -> dict[str, tuple[str, int | None]]:
    """Arrays of frames by camera: (E, T, h, w, 3), or (E, T, cameras, h, w, 3) with its number."""
    cameras: dict[str, tuple[str, int | None]] = {}
    for name in legacy.names:
        array = legacy.array(name)
        if array.dtype != np.uint8 or array.shape[-1] != 3 or array.ndim not in (5, 6):
            continue
        camera = name.removeprefix("images").removeprefix("image").strip("_") or "camera"
        if array.ndim == 5:
            cameras[camera] = (name, None)
        else:
            cameras |= {f"{camera}{k}": (name, k) for k in range(array.shape[2])}
    return cameras


def _frame_size(legacy: LegacyStore, name: str) -> tuple[int, int]:
    height, width = legacy.array(name).shape[-3:-1]
    return int(height), int(width)


def _arrays(
    legacy: LegacyStore,
    episode: int,
    contract: Contract,
    cameras: Mapping[str, tuple[str, int | None]],
) -> dict[str, NDArray[Any]]:
    """The arrays of one episode but for the stamps; nothing supervised or chunked was recorded."""
    n_rows = legacy.episodes[episode].length
    action = legacy.read("actions", episode).astype(np.float64)
    signals = legacy.read("signals", episode).astype(np.float32)
    validity = np.full(signals.shape, Validity.VALID, dtype=np.uint8)
    validity[np.isnan(signals)] = Validity.UNKNOWN
    validity[np.isinf(signals)] = Validity.INPUT_MISSING
    signals[np.isinf(signals)] = np.nan
    frames = {
        f"{IMAGE_PREFIX}{camera}": _frames(legacy, episode, source, number)
        for camera, (source, number) in cameras.items()
    }
    arrays: dict[str, NDArray[Any]] = {
        "state": legacy.read("states", episode).astype(np.float64),
        "action": action,
        "action_proposed": action,
        "supervisor_state": np.full(n_rows, SupervisorStatus.UNKNOWN, dtype=np.uint8),
        "chunk_phase": np.full(n_rows, -1, dtype=np.int16),
    }
    if contract.signals:
        arrays |= {"signals": signals, "signal_validity": validity}
    return arrays | frames


def _frames(legacy: LegacyStore, episode: int, source: str, number: int | None) -> NDArray[Any]:
    frames = legacy.read(source, episode)
    return frames if number is None else frames[:, number]
