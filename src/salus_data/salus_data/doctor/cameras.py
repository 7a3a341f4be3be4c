"""Cameras: black, constant and frozen pictures, and one camera under two names."""

from itertools import combinations

import numpy as np

from salus_data.doctor.findings import Severity
from salus_data.doctor.source import Rows, Source
from salus_data.layout import EE_POSITION
from salus_data.schema import FRAMES_PER_CHUNK, IMAGE_PREFIX

BLACK = 4
"""No pixel of a black frame is brighter than this, of 255."""

STILL_FRAMES = 8
"""Identical frames in a row while the gripper moves that make a frozen camera."""

STILL_METRES = 0.005
"""How far the gripper must move in the meantime."""

RUN = 2 * FRAMES_PER_CHUNK
"""Frames in a row that are looked at: whole chunks, and more than STILL_FRAMES."""

WINDOWS = 8
"""Runs that are looked at in an episode. So 128 steps are seen whole, and of longer episodes
samples that are spread evenly."""


def check_cameras(source: Source) -> None:
    """Look at samples of every episode; never more than one run of frames is in memory."""
    names = [
        name
        for name, array in source.arrays.items()
        if name.startswith(IMAGE_PREFIX) and len(array.shape) >= 4
    ]
    state = source.read("state")
    position = state[:, EE_POSITION] if state is not None and state.shape[1:] == (34,) else None
    faults: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for i in range(len(source.ends)):
        for start, stop in _windows(int(source.starts[i]), int(source.ends[i])):
            frames = {name: source.read(name, slice(start, stop)) for name in names}
            moved = None if position is None else position[start:stop]
            for name, code, row in _faults(frames, moved):
                step = start + row - int(source.starts[i])
                faults.setdefault((name, code), []).append((i, step))
    for (name, code), places in faults.items():
        episode, step = places[0]
        episodes = len({i for i, _ in places})
        message, advice = _MESSAGES[code]
        source.add(
            Severity.ERROR,
            code,
            f"{name} {message} (in {episodes} of {len(source.ends)} episodes)",
            advice,
            field=name,
            episode=episode,
            step=step,
            count=episodes,
        )


_MESSAGES = {
    "camera_black": ("is black", "check the renderer or the camera driver; drop these episodes"),
    "camera_constant": (
        "has one colour all over",
        "check the renderer or the camera driver; drop these episodes",
    ),
    "camera_frozen": (
        "shows the same frame again and again while the gripper moves",
        "the recorder joined an old picture: check stamps and drops; drop these episodes",
    ),
    "camera_duplicated": (
        "shows what another camera shows",
        "two names were wired to one camera: correct the topics and collect again",
    ),
}


def _windows(start: int, stop: int) -> list[tuple[int, int]]:
    """Runs of rows spread over an episode, cut at the borders of chunks."""
    runs = np.arange(start // RUN, (stop - 1) // RUN + 1)
    # Whole runs first: the ends of an episode share theirs with the neighbours.
    whole = [run for run in runs if run * RUN >= start and (run + 1) * RUN <= stop]
    usable = whole or list(runs)
    picked = sorted({usable[int(i)] for i in np.linspace(0, len(usable) - 1, WINDOWS)})
    return [(max(start, int(run) * RUN), min(stop, (int(run) + 1) * RUN)) for run in picked]


def _faults(frames: dict[str, Rows | None], position: Rows | None) -> list[tuple[str, str, int]]:
    """(array, code, row in the window) of everything that is wrong with these frames."""
    found = []
    present = {name: values for name, values in frames.items() if values is not None}
    for name, values in present.items():
        flat = values.reshape(len(values), -1)
        low, high = flat.min(axis=1), flat.max(axis=1)
        for code, bad in (
            ("camera_black", high <= BLACK),
            ("camera_constant", (low == high) & (high > BLACK)),
        ):
            if bad.any():
                found.append((name, code, int(np.argmax(bad))))
        still = _frozen(flat, position)
        if still is not None and high.max() > BLACK:
            found.append((name, "camera_frozen", still))
    found += [
        (second, "camera_duplicated", 0)
        for first, second in combinations(present, 2)
        if np.array_equal(present[first], present[second]) and present[first].max() > BLACK
    ]
    return found


def _frozen(flat: Rows, position: Rows | None) -> int | None:
    """First row of a run of identical frames during which the gripper moved, if there is one."""
    run_start = 0
    for row in range(1, len(flat) + 1):
        if row < len(flat) and np.array_equal(flat[row], flat[row - 1]):
            continue
        if row - run_start >= STILL_FRAMES and (
            position is None or _moved(position[run_start:row])
        ):
            return run_start
        run_start = row
    return None


def _moved(position: Rows) -> bool:
    """Whether positions (T, 3) [m] of T rows went somewhere, and did not only tremble.

    A straight path is twice as long as the way between the means of its halves. Noise shows in the
    second differences, whose variance is six times its own, and hardly in the means.
    """
    half = len(position) // 2
    way = 2 * np.linalg.norm(position[-half:].mean(axis=0) - position[:half].mean(axis=0))
    noise = np.sqrt(np.square(np.diff(position, n=2, axis=0)).sum(axis=1).mean() / 6)
    return bool(way > STILL_METRES + 4 * noise * np.sqrt(2 / half))
