"""How pictures look: the colours of the summary page, text that follows the page's own."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

TYPE_COLOURS: Final = {
    "success": "#0b9a72",
    "collision": "#d1495b",
    "drop": "#e08e1b",
    "miss": "#a65fb0",
    "timeout": "#2f78c4",
}
OTHER_COLOURS: Final = ("#7a8b3c", "#3c8b88", "#8b5a3c", "#5a3c8b", "#8b3c66")
ACCENT: Final = "#2f78c4"

# Colours that no picture uses for data: the page's own take their place.
INK: Final = "#010203"
QUIET: Final = "#040506"
LINE: Final = "#070809"
_PAGE_COLOURS: Final = {INK: "var(--ink)", QUIET: "var(--quiet)", LINE: "var(--line)"}

SETTINGS: Final[dict[str, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "salus",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "axes.titlecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.7,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for every name; the known failure types keep theirs."""
    spare = iter(OTHER_COLOURS * (1 + len(names) // len(OTHER_COLOURS)))
    return {name: TYPE_COLOURS.get(name) or next(spare) for name in names}


@contextmanager
def panels(
    columns: int, *, rows: int = 1, width: float = 9.6, height: float = 2.7, **options: Any
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with axes side by side, in the page's style."""
    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **options)
        yield figure, [axis for row in axes for axis in row]


def svg(figure: Figure, description: str) -> str:
    """The figure as inline SVG."""
    buffer = io.StringIO()
    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for ours, theirs in _PAGE_COLOURS.items():
        text = text.replace(ours, theirs)
    label = description.replace('"', "&quot;")
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
