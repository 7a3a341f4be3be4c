"""Batches for behaviour cloning, from a LeRobotDataset held in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus_collector.policy.smolvla.export import REPOSITORY
from salus_collector.policy.smolvla.small import offline
from salus_data.errors import FormatError


@dataclass(frozen=True)
class Demonstrations:
    """What is imitated, row by row.

    LeRobot's own item access costs 1-2 ms, 64 times a batch, more than a small policy's step; the
    columns are read through its dataset class once instead.

    Attributes:
        state: (N, S) float32.
        action: (N, D) float32.
        ends: (E,) the row after the last one of each episode.
        task: what was done; the same in every episode.
        stats: LeRobot's statistics of every feature, for its normalisers.
    """

    state: NDArray[np.float32]
    action: NDArray[np.float32]
    ends: NDArray[np.int64]
    task: str
    stats: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Demonstrations":
        """Read a dataset that `export_lerobot` wrote.

        Raises:
            FormatError: it is none, or has several tasks.
        """
        if not (folder / "meta" / "info.json").is_file():
            raise FormatError(f"{folder}: not a LeRobotDataset (no meta/info.json)")
        offline()
        from lerobot.datasets.lerobot_dataset import LeRobotDataset

        dataset = LeRobotDataset(REPOSITORY, root=folder, video_backend="pyav")
        tasks = list(dataset.meta.tasks.index)
        if len(tasks) != 1:
            raise FormatError(f"{folder}: has tasks {tasks}; one is wanted")
        columns = dataset.hf_dataset.with_format("numpy")
        episode = np.asarray(columns["episode_index"])
        ends = np.append(np.flatnonzero(np.diff(episode)) + 1, len(episode))
        return cls(
            np.stack(columns["observation.state"]).astype(np.float32),
            np.stack(columns["action"]).astype(np.float32),
            ends.astype(np.int64),
            str(tasks[0]),
            dataset.meta.stats,
        )

    def bootstrap(self, seed: int | None) -> NDArray[np.int64]:
        """Rows to train on: of all episodes, or of as many drawn with replacement (Efron, 1979).

        Args:
            seed: of the draw; None for all episodes once.
        """
        starts = np.concatenate([[0], self.ends[:-1]])
        episodes: NDArray[np.int64] = np.arange(len(self.ends))
        if seed is not None:
            episodes = np.random.default_rng([seed, 1]).integers(len(episodes), size=len(episodes))
        return np.concatenate([np.arange(starts[e], self.ends[e]) for e in episodes])

    def batch(self, rows: NDArray[np.int64], chunk: int) -> dict[str, Any]:
        """One batch as LeRobot's data loader would give it.

        Args:
            rows: (B,).
            chunk: actions T that follow each row, its own first.

        Returns:
            `observation.state` (B, S), `action` (B, T, D), `action_is_pad` (B, T) where the
            episode was over, and `task`, B times.
        """
        import torch

        last = self.ends[np.searchsorted(self.ends, rows, side="right")] - 1
        ahead = rows[:, None] + np.arange(chunk)
        is_pad = ahead > last[:, None]
        return {
            "observation.state": torch.from_numpy(self.state[rows]),
            "action": torch.from_numpy(self.action[np.minimum(ahead, last[:, None])]),
            "action_is_pad": torch.from_numpy(is_pad),
            "task": [self.task] * len(rows),
        }
