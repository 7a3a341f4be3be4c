"""A LeRobotDataset that SALUS exported as a store again, equal to the one it came from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError
from salus_data.labels import compute_horizon_labels
from salus_data.lerobot_io.layout import PREFIX, REPOSITORY, Notes, camera_key, require_lerobot
from salus_data.schema import LABELS, VALID, array_specs
from salus_data.writer import StoreWriter

Arrays = dict[str, NDArray[Any]]


def import_dataset(
    folder: Path,
    out: Path,
    *,
    command: str = "",
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> int:
    """Write the store that a LeRobotDataset was exported from.

    Labels are computed anew from the records and must be those of the dataset.

    Args:
        folder: the dataset.
        out: the store; appended to where it exists with the same contract.
        command: the command line, kept as the store's provenance.
        on_progress: hears (episodes read, episodes in all).

    Returns:
        The number of episodes.

    Raises:
        FormatError: the dataset is not SALUS's, was changed, or its labels contradict its records.
        SalusError: it does not fit the store.
    """
    notes = Notes.read(folder)
    if notes.contract.cameras and notes.images == "none":
        raise FormatError(
            f"{folder}: was exported with --images none, and its contract has cameras "
            f"{', '.join(notes.contract.cameras)}; without their frames the store would not be true"
        )
    require_lerobot()
    dataset = _Dataset(folder, notes)
    provenance = {
        "command": command,
        "imported_from": str(folder),
        "images": notes.images,
        "exported_from": list(notes.exported_from),
    }
    first = dataset.episode(0)
    shapes = {c: first[f"image_{c}"].shape[1:3] for c in notes.contract.cameras}
    with StoreWriter.open(
        out,
        notes.contract,
        images={camera: (int(h), int(w)) for camera, (h, w) in shapes.items()} or None,
        provenance=provenance,
        embedding_size=dataset.width("embedding"),
        sim_state_size=dataset.width("sim_state"),
    ) as writer:
        for number, record in enumerate(notes.records):
            arrays = dataset.episode(number)
            labels, valid = arrays.pop(LABELS, None), arrays.pop(VALID, None)
            made = compute_horizon_labels(
                [len(arrays["stamp"])],
                [record],
                notes.contract.horizons,
                len(notes.contract.failure_types),
            )
            for given, computed, name in zip((labels, valid), made, (LABELS, VALID), strict=True):
                if given is not None and not np.array_equal(given, computed):
                    raise FormatError(
                        f"{folder}: episode {record.id}: {PREFIX}{name} is not what its record says"
                    )
            writer.hold(record, arrays)
            on_progress(number + 1, len(notes.records))
    return len(notes.records)


class _Dataset:
    """Reads whole episodes with their exact types: LeRobot's items are float32."""

    def __init__(self, folder: Path, notes: Notes) -> None:
        from lerobot.datasets.lerobot_dataset import LeRobotDataset

        try:
            self._dataset = LeRobotDataset(REPOSITORY, root=folder, video_backend="pyav")
        except Exception as error:  # LeRobot raises whatever its readers do
            line = " ".join(str(error).split())
            raise FormatError(f"{folder}: LeRobot cannot read it: {line}") from error
        self._folder, self._notes = folder, notes
        self._table = self._dataset.hf_dataset.with_format("arrow")
        episode = self._table.select_columns(["episode_index"])[:]["episode_index"].to_numpy()
        self._ends = np.append(np.flatnonzero(np.diff(episode)) + 1, len(episode))
        if len(self._ends) != len(notes.records):
            raise FormatError(
                f"{folder}: has {len(self._ends)} episodes, meta/salus.json has "
                f"{len(notes.records)} records"
            )
        self._exact = [name for name in self._dataset.features if name.startswith(PREFIX)]
        cells = (len(notes.contract.horizons), len(notes.contract.failure_types))
        specs = array_specs(notes.contract)
        self._shapes = {name: spec.shape for name, spec in specs.items()}
        self._shapes |= {LABELS: cells, VALID: cells}

    def width(self, name: str) -> int:
        """Columns of an optional array; 0 where it is absent."""
        described = self._dataset.features.get(PREFIX + name)
        return int(described["shape"][0]) if described else 0

    def episode(self, number: int) -> Arrays:
        """Every array of an episode, as the store had it."""
        start = int(self._ends[number - 1]) if number else 0
        stop = int(self._ends[number])
        rows = self._table.select_columns(self._exact)[start:stop]
        arrays: Arrays = {}
        for key in self._exact:
            name, dtype = key.removeprefix(PREFIX), self._dataset.features[key]["dtype"]
            values = _numpy(rows[key], dtype)
            shape = self._shapes.get(name, values.shape[1:])
            arrays[name] = values.reshape(stop - start, *shape)
        for camera in self._notes.contract.cameras:
            name = f"image_{camera}"
            arrays[name] = self._frames(camera_key(name), start, stop)
        return arrays

    def _frames(self, key: str, start: int, stop: int) -> NDArray[np.uint8]:
        if self._notes.images == "image":
            column = self._dataset.hf_dataset.select_columns([key]).with_format("numpy")
            return np.stack([np.asarray(frame, np.uint8) for frame in column[start:stop][key]])
        frames = [self._dataset[row][key].numpy() for row in range(start, stop)]
        pixels = np.stack(frames).transpose(0, 2, 3, 1) * 255
        return np.ascontiguousarray(np.rint(pixels).astype(np.uint8))


def _numpy(column: Any, dtype: str) -> NDArray[Any]:
    """An Arrow column of numbers or of lists of equal length as (T, ...)."""
    rows = len(column)
    whole = column.combine_chunks()
    while hasattr(whole, "flatten") and "list" in str(whole.type):
        whole = whole.flatten()
    return np.asarray(whole.to_numpy(zero_copy_only=False), dtype).reshape(rows, -1)
