"""Episodes of a store as a LeRobotDataset (v3), as LeRobot's own trainer reads it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.policy.smolvla.adapter import Adapter
from salus_collector.policy.smolvla.small import offline
from salus_data.episode import EpisodeRecord
from salus_data.errors import SalusError
from salus_data.types import Outcome
from salus_data.view import StoreView

REPOSITORY: Final = "salus/demonstrations"
"""Name inside the dataset; nothing is uploaded under it."""


def demonstrations(view: StoreView) -> list[int]:
    """The episodes worth imitating: successes in which no supervisor changed an action."""
    return [episode for episode, record in enumerate(view.records) if _is_demonstration(record)]


def _is_demonstration(record: EpisodeRecord) -> bool:
    return record.outcome is Outcome.SUCCESS and record.first_intervention_step < 0


def policy_rows(
    view: StoreView, episode: int, adapter: Adapter
) -> tuple[slice, dict[str, NDArray[Any]]]:
    """What a policy would have read and done in one episode.

    The idle rows at the start, in which the arm is held, are left out, and the last row, whose
    action nobody saw the effect of.

    Returns:
        The rows of the episode, and `observation.state` (T, S) and `action` (T, D), float32.

    Raises:
        SalusError: the store's actions are not in the adapter's space.
    """
    if view.contract.action_space != adapter.action_space:
        raise SalusError(
            f"{view.paths[0]}: actions are in {view.contract.action_space.name}, the adapter takes "
            f"{adapter.action_space.name}"
        )
    rows = slice(view.records[episode].idle_steps, view.length(episode) - 1)
    action = view.read("action", episode)
    before = np.full_like(action, np.nan)
    before[rows.start + 1 :] = action[rows.start : -1]
    state = adapter.matrix(
        view.read("state", episode)[rows], view.read("perceived", episode)[rows], before[rows]
    )
    return rows, {
        "observation.state": state.astype(np.float32),
        "action": action[rows].astype(np.float32),
    }


def export_lerobot(
    view: StoreView,
    out: Path,
    adapter: Adapter,
    *,
    episodes: list[int] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write a LeRobotDataset that `lerobot-train` can read.

    Args:
        view: the episodes.
        out: folder to be made.
        adapter: says how `observation.state` is made, and which cameras go along.
        episodes: which; the demonstrations if None.
        on_progress: called with episodes written and to be written.

    Returns:
        The number of frames.

    Raises:
        SalusError: `out` exists, there is nothing to export, or the store has no such images.
    """
    chosen = demonstrations(view) if episodes is None else episodes
    if not chosen:
        raise SalusError(f"{view.paths[0]}: no successful episode without intervention to export")
    if out.exists():
        raise SalusError(f"{out}: exists; choose another folder or remove it")
    for feature, camera in adapter.cameras.items():
        if f"image_{camera}" not in view.names:
            raise SalusError(
                f"{view.paths[0]}: no images of camera {camera} for {feature}; collect with "
                "--image-size 64 or more"
            )
    offline()
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset.create(
        REPOSITORY,
        fps=round(1 / view.contract.step_period),
        features=_features(view, adapter),
        root=out,
        robot_type="panda",
        use_videos=False,
        video_backend="pyav",  # there is no video; without it LeRobot warns of other backends
    )
    frames = 0
    try:
        with _saving(adapter):
            for number, episode in enumerate(chosen):
                for frame in _frames(view, episode, adapter):
                    dataset.add_frame(frame)
                    frames += 1
                dataset.save_episode()
                if on_progress is not None:
                    on_progress(number + 1, len(chosen))
    finally:
        dataset.finalize()
    adapter.write(out)
    return frames


@contextmanager
def _saving(adapter: Adapter) -> Iterator[None]:
    """How episodes are saved here: without a progress bar each, and fast where no image goes along.

    LeRobot looks for images row by row, at 2-3 ms each, also where the dataset has none.
    """
    from datasets.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )
    from lerobot.datasets import dataset_writer

    hidden = are_progress_bars_disabled()
    disable_progress_bars()
    embed = dataset_writer.embed_images
    if not adapter.cameras:
        dataset_writer.embed_images = lambda rows: rows
    try:
        yield
    finally:
        dataset_writer.embed_images = embed
        if not hidden:
            enable_progress_bars()


def _frames(view: StoreView, episode: int, adapter: Adapter) -> Iterator[dict[str, Any]]:
    rows, arrays = policy_rows(view, episode, adapter)
    for feature, camera in adapter.cameras.items():
        arrays[feature] = view.read(f"image_{camera}", episode)[rows]
    task = view.records[episode].task
    for row in range(rows.stop - rows.start):
        yield {name: array[row] for name, array in arrays.items()} | {"task": task}


def _features(view: StoreView, adapter: Adapter) -> dict[str, dict[str, Any]]:
    space = adapter.action_space
    features: dict[str, dict[str, Any]] = {
        "observation.state": {
            "dtype": "float32",
            "shape": (adapter.size,),
            "names": adapter.names,
        },
        "action": {"dtype": "float32", "shape": (space.size,), "names": list(space.names)},
    }
    for feature, camera in adapter.cameras.items():
        height, width, channels = view.read(f"image_{camera}", 0).shape[1:]
        features[feature] = {
            "dtype": "image",
            "shape": (height, width, channels),
            "names": ["height", "width", "channels"],
        }
    return features
