"""The pictures on the summary page: frames of chosen episodes, and one bar an episode."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from salus_data.schema import IMAGE_PREFIX
from salus_data.summary.statistics import ending, endings
from salus_data.view import StoreView

FRAMES: Final = 8
"""Frames a filmstrip."""

FRAME_PIXELS: Final = 160
"""Width to which a frame is reduced."""

JPEG_QUALITY: Final = 85

EARLIER_STEPS: Final = (20, 10, 5)
"""Steps before the onset that a filmstrip shows: the horizons within which it is to be foreseen."""


@dataclass(frozen=True)
class Frame:
    """One moment of a filmstrip.

    Attributes:
        step: row of the episode.
        caption: what is special about it.
        is_onset: whether it is the first row that shows the event.
        pictures: data URLs, one a camera.
    """

    step: int
    caption: str
    is_onset: bool
    pictures: tuple[str, ...]


@dataclass(frozen=True)
class Filmstrip:
    """One episode in pictures.

    Attributes:
        episode: its id.
        ending: how it ended.
        description: what was disturbed and when what happened.
        frames: in the order of time.
    """

    episode: str
    ending: str
    description: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Bar:
    """One episode on the timeline; steps.

    Attributes:
        episode: its id.
        ending: how it ended.
        length: rows.
        onset, confirm: -1 for none.
        milestones: rows.
        tooltip: what a reader wants to know of it.
    """

    episode: str
    ending: str
    length: int
    onset: int
    confirm: int
    milestones: tuple[int, ...]
    tooltip: str


def cameras(view: StoreView) -> list[str]:
    """Names of the arrays that hold frames."""
    return [name for name in view.names if name.startswith(IMAGE_PREFIX)]


def filmstrip(view: StoreView, episode: int) -> Filmstrip:
    """The moments that matter of one episode; reads its frames and nothing else."""
    record, last = view.records[episode], view.length(episode) - 1
    steps = shown_steps(record.onset_step, last)
    names = cameras(view)
    reduced = {name: _frames(view, name, episode, steps) for name in names}
    frames = tuple(
        Frame(
            step,
            _caption(step, record.onset_step, last, view.contract.step_period),
            step == record.onset_step,
            tuple(reduced[name][k] for name in names),
        )
        for k, step in enumerate(steps)
    )
    return Filmstrip(
        record.id,
        ending(record, view.contract),
        description(view, episode),
        frames,
    )


def shown_steps(onset: int, last: int) -> list[int]:
    """At most FRAMES steps: the start, the way to the onset, the onset and the end."""
    if onset < 0:
        return sorted({int(step) for step in np.linspace(0, last, FRAMES).round()})
    near = {onset - before for before in EARLIER_STEPS if onset - before > 0} | {onset, last, 0}
    far = max(onset - EARLIER_STEPS[0], 0)
    spread = np.linspace(0, far, max(FRAMES - len(near) + 2, 2)).round()[1:-1]
    return sorted(near | {int(step) for step in spread})


def bars(view: StoreView) -> list[Bar]:
    """One bar an episode, grouped by ending, the shortest first."""
    order = {name: rank for rank, name in enumerate(endings(view.contract))}
    found = [
        Bar(
            record.id,
            ending(record, view.contract),
            view.length(i),
            record.onset_step,
            record.confirm_step,
            tuple(step for _, step in record.milestones),
            f"{record.id}: {description(view, i)}",
        )
        for i, record in enumerate(view.records)
    ]
    return sorted(found, key=lambda bar: (order.get(bar.ending, len(order)), bar.length))


def _caption(step: int, onset: int, last: int, period: float) -> str:
    if step == onset:
        return "onset"
    if onset >= 0:
        return f"{(step - onset) * period:+.2f} s"
    return "end" if step == last else f"{step * period:.2f} s"


def description(view: StoreView, episode: int) -> str:
    """Length, ending, event, bodies, force and disturbances of an episode, in one line."""
    record = view.records[episode]
    parts = [f"{view.length(episode)} steps", ending(record, view.contract)]
    if record.onset_step >= 0:
        parts.append(f"onset at step {record.onset_step}")
    if record.confirm_step >= 0:
        parts.append(f"confirmed at step {record.confirm_step}")
    if record.bodies:
        parts.append("between " + " and ".join(record.bodies) if len(record.bodies) > 1 else "")
    if np.isfinite(record.force):
        parts.append(f"{record.force:.0f} N")
    parts.append("disturbed: " + ", ".join(record.disturbance) if record.disturbance else "")
    return ", ".join(part for part in parts if part)


def _frames(view: StoreView, name: str, episode: int, steps: Sequence[int]) -> list[str]:
    start = view.rows(episode).start
    return [data_url(view.window(name, start + step, start + step + 1)[0]) for step in steps]


def data_url(pixels: NDArray[np.uint8]) -> str:
    """A camera frame (h, w, 3), reduced to FRAME_PIXELS, as a picture that a page can hold."""
    image = Image.fromarray(pixels)
    height = round(image.height * FRAME_PIXELS / image.width)
    # Few pixels are magnified as they are: smoothing would show what no camera saw.
    method = Image.Resampling.NEAREST if image.width < FRAME_PIXELS else Image.Resampling.LANCZOS
    buffer = io.BytesIO()
    image.resize((FRAME_PIXELS, height), method).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
