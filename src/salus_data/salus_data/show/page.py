"""Fill the template of an episode's page."""

import base64
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

from salus_data import __version__
from salus_data.errors import UnknownNameError
from salus_data.show.forecasts import ShownForecasts
from salus_data.show.labels import label_bands
from salus_data.summary.pictures import cameras
from salus_data.summary.stories import Story, story
from salus_data.summary.timelines import Panel, panel
from salus_data.types import SupervisorStatus
from salus_data.view import StoreView

FRAMES: Final = 240
"""Moments whose frames the page holds; a longer episode is shown at regular steps."""

FRAME_PIXELS: Final = 256
JPEG_QUALITY: Final = 80


def find_episode(view: StoreView, name: str) -> int:
    """The number of an episode that is named by its id or by its index.

    Raises:
        UnknownNameError: there is none; the message lists the first ones there are.
    """
    for number, record in enumerate(view.records):
        if name in (record.id, str(record.index)):
            return number
    known = [record.id for record in view.records]
    shown = known if len(known) <= 12 else [*known[:12], f"... {len(known)} in all"]
    raise UnknownNameError("episode", name, shown)


def write_episode_page(
    view: StoreView, episode: int, out_html: Path, forecasts: ShownForecasts | None = None
) -> Path:
    """Write the page of one episode: frames, actions, signals, labels on one time axis.

    Args:
        view: the stores.
        episode: number in the view, 0 .. E-1.
        out_html: the page; its folder is made, a page that is there is replaced at once.
        forecasts: of a model, drawn above the labels; None for none.

    Returns:
        `out_html`.

    Raises:
        FormatError: the store cannot be read, or the forecasts are of another episode.
    """
    record = view.records[episode]
    told = story(view, episode)
    told = replace(told, panels=(*told.panels, *_more_panels(view, episode, told.panels)))
    steps = _shown_steps(told.length)
    names = cameras(view)
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("salus_data", "show"), PackageLoader("salus_data", "summary")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("episode.html.j2").render(
        title=f"Episode {record.id}",
        story=told,
        contract=view.contract,
        store=str(view.locate(episode)[0].path),
        facts=_facts(record.to_json()),
        bands=label_bands(view, episode),
        forecast=_forecast_story(view, told, forecasts),
        model=forecasts.model if forecasts else "",
        cameras=[name.removeprefix("image_") for name in names],
        steps=steps,
        frames={name: _frames(view, name, episode, steps) for name in names},
        version=__version__,
    )
    out_html.parent.mkdir(parents=True, exist_ok=True)
    partial = out_html.with_name(out_html.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(out_html)
    return out_html


def _forecast_story(view: StoreView, told: Story, forecasts: ShownForecasts | None) -> Story | None:
    """The same episode with its forecasts for panels."""
    if forecasts is None:
        return None
    return replace(told, panels=tuple(forecasts.panels(view.contract, told.length)))


def _more_panels(view: StoreView, episode: int, drawn: tuple[Panel, ...]) -> list[Panel]:
    """Every other signal that has a value, and what the supervisor did where it did anything."""
    panels = []
    state = view.read("supervisor_state", episode)
    if (state > SupervisorStatus.NORMAL).any():
        panels.append(panel("supervisor_state", "1", state.astype(np.float64)))
    if "signals" not in view.names:
        return panels
    signals = view.read("signals", episode).astype(np.float64)
    shown = {one.title for one in drawn}
    for number, column in enumerate(view.contract.signals):
        if column.name not in shown and np.isfinite(signals[:, number]).any():
            panels.append(panel(column.name, column.unit, signals[:, number]))
    return panels


def _shown_steps(length: int) -> list[int]:
    return list(range(0, length, max(1, math.ceil(length / FRAMES))))


def _facts(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Every field of the record that says something."""
    empty: tuple[Any, ...] = (None, "", [], {}, -1, False)
    return [
        (name, value if isinstance(value, str) else json.dumps(value))
        for name, value in record.items()
        if not any(value is nothing or value == nothing for nothing in empty) or name == "index"
    ]


def _frames(view: StoreView, name: str, episode: int, steps: list[int]) -> list[str]:
    pictures = view.read(name, episode)
    return [_data_url(pictures[step]) for step in steps]


def _data_url(pixels: NDArray[np.uint8]) -> str:
    image = Image.fromarray(pixels)
    if image.width > FRAME_PIXELS:
        size = (FRAME_PIXELS, round(image.height * FRAME_PIXELS / image.width))
        image = image.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
