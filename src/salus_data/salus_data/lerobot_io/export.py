"""A store as a LeRobotDataset: everything it holds, one frame a row."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError, UnknownNameError
from salus_data.lerobot_io.layout import (
    FEATURES,
    IMAGE_KINDS,
    PREFIX,
    REPOSITORY,
    Images,
    Notes,
    camera_key,
    column_names,
    feature,
    image_feature,
    require_lerobot,
)
from salus_data.schema import IMAGE_PREFIX
from salus_data.types import Outcome
from salus_data.view import StoreView

SMALLEST_VIDEO: Final = 64
"""Pixels a side that SVT-AV1 encodes at least."""

Arrays = dict[str, NDArray[Any]]


def export_dataset(
    view: StoreView,
    out: Path,
    *,
    images: Images = "image",
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> int:
    """Write a LeRobotDataset (v3) of all episodes.

    `observation.state` and `action` are float32, as LeRobot's policies expect; every array of the
    store goes along with its exact type as `salus.NAME`: signals, labels, true stamps [ns] and the
    rest. `next.done` and `next.success` mark the last row.

    Args:
        view: the episodes.
        out: folder to be made.
        images: `image` for PNG without loss, `video` for LeRobot's lossy default, or `none`.
        on_progress: hears (episodes written, episodes in all).

    Returns:
        The number of frames.

    Raises:
        FormatError: `out` exists, there is nothing to export, or LeRobot is not installed.
        UnknownNameError: `images` is none of the three.
    """
    if images not in IMAGE_KINDS:
        raise UnknownNameError("--images", images, IMAGE_KINDS)
    if out.exists():
        raise FormatError(f"{out}: exists; choose another folder or remove it")
    if not len(view):
        raise FormatError(f"{', '.join(map(str, view.paths))}: no episode to export")
    if images == "video":
        _require_encodable(view)
    require_lerobot()
    staging = out.with_name(f".{out.name}.exporting-{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        frames = _write(view, staging, images, on_progress)
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return frames


def _write(
    view: StoreView, folder: Path, images: Images, on_progress: Callable[[int, int], None]
) -> int:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset.create(
        REPOSITORY,
        fps=max(1, round(1 / view.contract.step_period)),
        features=_features(view, images),
        root=folder,
        robot_type=view.contract.policy or None,
        use_videos=images == "video",
    )
    try:
        for episode in range(len(view)):
            for frame in _frames(view, episode, images):
                dataset.add_frame(frame)
            # What is optional is NaN, and so are its statistics: that is what they are.
            with np.errstate(invalid="ignore", over="ignore"):
                # One after the other: worker processes of an encoder would inherit our threads.
                dataset.save_episode(parallel_encoding=False)
            on_progress(episode + 1, len(view))
    finally:
        dataset.finalize()
    facts = [
        {"path": str(s.path), **{k: s.attributes.get(k) for k in ("provenance", "versions")}}
        for s in view.stores
    ]
    Notes(view.contract, view.records, images, facts).write(folder)
    return view.n_rows


def _features(view: StoreView, images: Images) -> dict[str, dict[str, Any]]:
    names = column_names(view.contract)
    features: dict[str, dict[str, Any]] = {}
    for key, values in _exact(view, 0).items():
        features[key] = feature(values, names.get(key.removeprefix(PREFIX)))
    for array, key in FEATURES.items():
        if array in view.names:
            described = feature(view.read(array, 0).astype(np.float32), names.get(array))
            features[key] = described
    features |= {
        key: {"dtype": "bool", "shape": (1,), "names": None}
        for key in ("next.done", "next.success")
    }
    if images != "none":
        for array in _cameras(view):
            shape = view.stores[0].array(array).shape[1:]
            features[camera_key(array)] = image_feature(images, tuple(shape))
    return features


def _require_encodable(view: StoreView) -> None:
    """Refuse frames that LeRobot's default encoder (SVT-AV1) ends the process on."""
    for array in _cameras(view):
        height, width = view.stores[0].array(array).shape[1:3]
        if min(height, width) < SMALLEST_VIDEO:
            raise FormatError(
                f"{array} is {width} x {height}; a video needs {SMALLEST_VIDEO} pixels a side: "
                "use --images image"
            )


def _cameras(view: StoreView) -> list[str]:
    return [name for name in view.names if name.startswith(IMAGE_PREFIX)]


def _exact(view: StoreView, episode: int) -> Arrays:
    """Every array but images, rows laid flat, by the name of its feature."""
    found: Arrays = {}
    for name in view.names:
        if name.startswith(IMAGE_PREFIX):
            continue
        values = view.read(name, episode)
        found[PREFIX + name] = values.reshape(len(values), -1)
    return found


def _frames(view: StoreView, episode: int, images: Images) -> Iterator[dict[str, Any]]:
    arrays = _exact(view, episode)
    for array, key in FEATURES.items():
        if array in view.names:
            arrays[key] = arrays[PREFIX + array].astype(np.float32)
    if images != "none":
        arrays |= {camera_key(array): view.read(array, episode) for array in _cameras(view)}
    record, length = view.records[episode], view.length(episode)
    done = np.arange(length)[:, None] == length - 1
    arrays |= {"next.done": done, "next.success": done & (record.outcome is Outcome.SUCCESS)}
    task = record.task or view.contract.task or "unknown"
    for row in range(length):
        yield {key: values[row] for key, values in arrays.items()} | {"task": task}
