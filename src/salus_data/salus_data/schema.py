"""Which arrays a store has: names, types, shapes and how they are cut into files.

The layout is described for its readers in docs/DATA_FORMAT.md; change both together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Column, Contract
from salus_data.errors import FormatError
from salus_data.types import SupervisorStatus, Validity

SCHEMA_VERSION: Final = 1
"""Raised whenever an older reader would misread a store."""

READABLE_VERSIONS: Final = (1,)

DATA: Final = "data"
LABELS: Final = "horizon_labels"
VALID: Final = "label_valid"
ENDS: Final = "meta/episode_ends"
RECORDS: Final = "meta/episodes"
IMAGE_PREFIX: Final = "image_"

FRAMES_PER_CHUNK: Final = 8
"""Enough neighbours for zstd to see that little moves, few enough to decode for one frame."""

FRAMES_PER_SHARD: Final = 512
"""One file; 500 episodes of 150 rows make about 150 of them a camera."""

_CHUNK_BYTES: Final = 512 * 1024
_MAX_CHUNK_ROWS: Final = 4096


@dataclass(frozen=True)
class ArraySpec:
    """One array below `data/`: `shape` is that of one row; `columns` names its last axis."""

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    columns: tuple[Column, ...] = ()
    required_finite: NDArray[np.bool_] | None = field(default=None, compare=False)
    codes: tuple[int, ...] = ()  # the only values allowed, where it holds an enumeration

    @property
    def is_image(self) -> bool:
        """Whether its rows are camera frames."""
        return self.name.startswith(IMAGE_PREFIX)

    @property
    def chunk_rows(self) -> int:
        """Rows that are compressed together: a power of two near half a megabyte."""
        if self.is_image:
            return FRAMES_PER_CHUNK
        row_bytes = max(1, int(np.prod(self.shape, dtype=np.int64))) * np.dtype(self.dtype).itemsize
        fitting = max(1, _CHUNK_BYTES // row_bytes)
        return int(min(_MAX_CHUNK_ROWS, 1 << (fitting.bit_length() - 1)))

    @property
    def fill_value(self) -> float | int | bool:
        """What a chunk that is not there reads as: where possible, nothing that a row may hold.

        zarr drops chunks that hold only the fill value. Were it 0, another tool that writes zeros
        would make them indistinguishable from a chunk that was lost.
        """
        dtype = np.dtype(self.dtype)
        if dtype.kind == "f":
            return float("nan")
        if self.is_image or dtype.kind == "b":
            return 0
        limits = np.iinfo(dtype)
        return int(limits.min if limits.min < 0 else limits.max)

    @property
    def attributes(self) -> dict[str, Any]:
        """What a reader without SALUS wants to know: the columns and their units."""
        if not self.columns:
            return {}
        return {
            "columns": [column.name for column in self.columns],
            "units": [column.unit for column in self.columns],
        }

    def check(self, values: NDArray[Any], n_rows: int, episode: str) -> NDArray[Any]:
        """Return the rows of one episode as the array's dtype.

        Raises:
            FormatError: shape or kind of number is wrong, a required column is not finite, or a
                code is not in its enumeration; the message names episode, array, row and column.
        """
        where = f"episode {episode}: {self.name}"
        expected = (n_rows, *self.shape)
        if values.shape != expected:
            raise FormatError(f"{where} has shape {values.shape}, expected {expected}")
        if not np.can_cast(values.dtype, self.dtype, "same_kind"):
            raise FormatError(f"{where} is {values.dtype}, expected {self.dtype}")
        rows = values.astype(self.dtype, copy=False)
        if rows.dtype != values.dtype and rows.dtype.kind in "iu" and not (rows == values).all():
            raise FormatError(f"{where} does not fit into {self.dtype}")
        self._check_finite(rows, where)
        if self.codes and not np.isin(rows, self.codes).all():
            row = int(np.argwhere(~np.isin(rows, self.codes))[0, 0])
            raise FormatError(
                f"{where} at row {row} is {rows[row].tolist()}; known codes: {list(self.codes)}"
            )
        return rows

    def _check_finite(self, rows: NDArray[Any], where: str) -> None:
        if rows.dtype.kind != "f":
            return
        bad = np.isinf(rows) | np.isnan(rows)
        if self.required_finite is not None:
            # NaN says "no value" in an optional column; infinity never means anything.
            bad &= self.required_finite | np.isinf(rows)
        if bad.any():
            row, *rest = (int(i) for i in np.argwhere(bad)[0])
            column = self.columns[rest[0]].name if self.columns and rest else str(rest)
            raise FormatError(
                f"{where} at row {row}, column {column} is {rows[(row, *rest)]}; "
                "only optional columns may be NaN, none may be infinite"
            )


def array_specs(
    contract: Contract,
    images: Mapping[str, tuple[int, int]] | None = None,
    *,
    embedding_size: int = 0,
    sim_state_size: int = 0,
) -> dict[str, ArraySpec]:
    """The arrays that every episode of a store brings, by name; labels are not among them.

    An array whose contract has no columns is absent; without actions, so is `supervisor_state`.

    Args:
        contract: what the columns mean.
        images: (height, width) in pixels by camera name; None for a store without images.
        embedding_size: width of `embedding`; 0 for none.
        sim_state_size: width of `sim_state`; 0 for none.

    Raises:
        FormatError: the cameras are not those of the contract.
    """
    if images is not None and set(images) != set(contract.cameras):
        raise FormatError(
            f"images are given for {sorted(images)}, the contract has {sorted(contract.cameras)}"
        )
    space = contract.action_space
    action = tuple(Column(n, u) for n, u in zip(space.names, space.units, strict=True))
    # A signal may be NaN where `signal_validity` gives the reason; the writer checks the pair.
    specs = [
        ArraySpec("stamp", "int64"),
        _columns("state", "float64", contract.state),
        _columns("action", "float64", action),
        _columns("action_proposed", "float64", action),
        # Where no action was recorded, nobody can say what was done with it.
        *(
            [ArraySpec("supervisor_state", "uint8", codes=tuple(SupervisorStatus))]
            if action
            else []
        ),
        _columns(
            "signals",
            "float32",
            tuple(Column(column.name, column.unit, optional=True) for column in contract.signals),
        ),
        ArraySpec(
            "signal_validity",
            "uint8",
            (len(contract.signals),),
            contract.signals,
            codes=tuple(Validity),
        ),
        _columns("perceived", "float64", contract.perceived),
        ArraySpec("chunk_phase", "int16"),
        # NaN while the policy waits, before the first step that it decides.
        ArraySpec(
            "embedding",
            "float16",
            (embedding_size,),
            required_finite=np.zeros(embedding_size, np.bool_),
        ),
        ArraySpec("sim_state", "float64", (sim_state_size,)),
        *(
            ArraySpec(f"{IMAGE_PREFIX}{camera}", "uint8", (*size, 3))
            for camera, size in (images or {}).items()
        ),
    ]
    return {spec.name: spec for spec in specs if 0 not in spec.shape}


def label_specs(contract: Contract) -> dict[str, ArraySpec]:
    """The two derived arrays, (H, C) a row."""
    shape = (len(contract.horizons), len(contract.failure_types))
    return {LABELS: ArraySpec(LABELS, "uint8", shape), VALID: ArraySpec(VALID, "bool", shape)}


def _columns(name: str, dtype: str, columns: tuple[Column, ...]) -> ArraySpec:
    finite = np.array([not column.optional for column in columns], dtype=np.bool_)
    return ArraySpec(name, dtype, (len(columns),), columns, finite)
