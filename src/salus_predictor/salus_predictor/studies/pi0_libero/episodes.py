"""The rollouts, and how much of each may be seen at a cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError
from salus_data.rollouts import read_rollouts

CUTS: Final = (0.25, 0.5, 1.0)
"""Shares of the shortest episode of a task that a score may read."""


@dataclass(frozen=True)
class Episodes:
    """E episodes.

    Attributes:
        ids: (E,) `<task>-<episode>`.
        task: (E,) number of the task, in the order of the sorted names.
        tasks: names of the tasks.
        instructions: what is to be done, by task.
        failed: (E,) bool.
        names: (K,) signals.
        signals: E arrays (T, K) float32.
        shortest: (tasks,) rows of the shortest episode of each task.
    """

    ids: tuple[str, ...]
    task: NDArray[np.int64]
    tasks: tuple[str, ...]
    instructions: tuple[str, ...]
    failed: NDArray[np.bool_]
    names: tuple[str, ...]
    signals: tuple[NDArray[np.float32], ...]
    shortest: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of episodes E."""
        return len(self.ids)

    def prefix_rows(self, share: float) -> NDArray[np.int64]:
        """(E,) rows that may be read at a cut: the same number for all episodes of a task.

        round((shortest - 1) * share) + 1, as the reference code of ActProbe cuts (`taskmin`).
        """
        rows = np.round((self.shortest - 1) * share).astype(np.int64) + 1
        cut: NDArray[np.int64] = rows[self.task]
        return cut

    def find(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Numbers of the episodes with these ids.

        Raises:
            FormatError: an id is not among the files.
        """
        places = {name: number for number, name in enumerate(self.ids)}
        try:
            return np.array([places[name] for name in ids], dtype=np.int64)
        except KeyError as error:
            raise FormatError(
                f"episode {error} of splits.json is in none of the files; give all ten task files"
            ) from None

    def outcomes(self) -> dict[str, list[tuple[str, bool]]]:
        """(id, failed) of every episode by task."""
        found: dict[str, list[tuple[str, bool]]] = {name: [] for name in self.tasks}
        for name, task, failed in zip(self.ids, self.task, self.failed, strict=True):
            found[self.tasks[task]].append((name, bool(failed)))
        return found


def read_episodes(files: Sequence[Path]) -> Episodes:
    """Read step logs; the task of an episode is what its id begins with.

    Raises:
        FormatError: a file is not what it should be, or an id names no task.
    """
    ids, tasks, failed, signals = [], [], [], []
    instructions: dict[str, str] = {}
    names: tuple[str, ...] = ()
    for rollout in read_rollouts(sorted(files)):
        task, dash, _ = rollout.id.rpartition("-")
        if not dash:
            raise FormatError(f"{rollout.where}: task_id and episode_id must be there")
        names = names or tuple(sorted(rollout.names))
        if set(names) != set(rollout.names):
            raise FormatError(f"{rollout.where}: other signals than in the first episode")
        ids.append(rollout.id)
        tasks.append(task)
        failed.append(not rollout.success)
        instructions[task] = rollout.task
        order = [rollout.names.index(name) for name in names]
        signals.append(np.nan_to_num(rollout.values[:, order]))
    known = sorted(set(tasks))
    number = np.array([known.index(task) for task in tasks], dtype=np.int64)
    lengths = np.array([len(values) for values in signals])
    return Episodes(
        ids=tuple(ids),
        task=number,
        tasks=tuple(known),
        instructions=tuple(instructions[task] for task in known),
        failed=np.array(failed, dtype=np.bool_),
        names=names,
        signals=tuple(signals),
        shortest=np.array([lengths[number == k].min() for k in range(len(known))], dtype=np.int64),
    )
