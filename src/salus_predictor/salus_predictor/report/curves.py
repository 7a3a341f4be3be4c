"""Step-level pictures: precision and recall, ROC, reliability."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from salus_predictor.evaluation.evaluate import Evaluation
from salus_predictor.report.style import ACCENT, QUIET, colours, panels, svg
from salus_predictor.steps import StepData

Array = NDArray[np.float64]
Cells = list[tuple[int, NDArray[np.bool_], Array]]
Draw = Callable[[Axes, int, str, Cells], None]

MAX_POINTS: Final = 400
BINS: Final = 10


def cells_of(
    data: StepData, evaluation: Evaluation, kind: int
) -> Iterator[tuple[int, NDArray[np.bool_], Array]]:
    """Horizon, labels and probabilities of the valid rows of one type, where it occurs."""
    for h, horizon in enumerate(data.contract.horizons):
        rows = data.valid[:, h, kind]
        label = data.labels[rows, h, kind] > 0
        if label.any() and not label.all():
            yield horizon, label, evaluation.forecasts.probability[rows, h, kind]


def thin(*arrays: Array) -> list[Array]:
    """At most MAX_POINTS points of a curve, ends included."""
    keep = np.unique(np.linspace(0, len(arrays[0]) - 1, MAX_POINTS).astype(int))
    return [array[keep] for array in arrays]


def precision_recall(data: StepData, evaluation: Evaluation) -> str:
    """A panel for each type, a line for each horizon, the chosen threshold as a dot."""

    def draw(axis: Axes, kind: int, colour: str, cells: Cells) -> None:
        for shade, (horizon, label, score) in zip(_shades(len(cells)), cells, strict=True):
            precision, recall, _ = precision_recall_curve(label, score, drop_intermediate=True)
            axis.plot(
                *thin(recall, precision),
                color=colour,
                alpha=shade,
                label=f"{horizon}",
                drawstyle="steps-post",
            )
        _dots(axis, evaluation, kind, colour, "recall", "precision")
        base = float(np.mean(cells[-1][1]))
        axis.axhline(base, color=QUIET, linewidth=1, linestyle=":")
        axis.legend(title="horizon", loc="best", title_fontsize=8)

    title = "Precision and recall of each failure type"
    return _by_type(data, evaluation, title, ("recall", "precision"), draw)


def roc(data: StepData, evaluation: Evaluation) -> str:
    """A panel for each type; the false-positive rate is logarithmic, since positives are rare."""

    def draw(axis: Axes, kind: int, colour: str, cells: Cells) -> None:
        del kind
        chance = np.geomspace(1e-4, 1, 50)
        axis.plot(chance, chance, color=QUIET, linewidth=1, linestyle=":")
        for shade, (horizon, label, score) in zip(_shades(len(cells)), cells, strict=True):
            fall_out, recall, _ = roc_curve(label, score)
            x, y = thin(np.maximum(fall_out, 1e-4), recall)
            axis.plot(x, y, color=colour, alpha=shade, label=f"{horizon}")
        axis.set_xscale("log")
        axis.set_xlim(1e-4, 1)

    title = "ROC curve of each failure type"
    return _by_type(data, evaluation, title, ("false-positive rate", "recall"), draw)


def reliability(data: StepData, evaluation: Evaluation) -> str:
    """Predicted against observed at the longest horizon, dots sized by their rows."""

    def draw(axis: Axes, kind: int, colour: str, cells: Cells) -> None:
        del kind
        axis.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=":")
        _, label, score = cells[-1]
        predicted, observed, count = calibration_bins(label, score)
        axis.plot(predicted, observed, color=colour, alpha=0.6)
        axis.scatter(
            predicted,
            observed,
            s=8 + 22 * np.log10(np.maximum(count, 1)),
            color=colour,
            zorder=3,
            linewidths=0,
        )
        for x, y, n in zip(predicted, observed, count, strict=True):
            axis.annotate(
                f"{n:,}",
                (x, y),
                xytext=(0, -13),
                textcoords="offset points",
                ha="center",
                fontsize=6.5,
                color=QUIET,
            )
        axis.set_ylim(-0.12, 1.02)

    title = "Reliability of the probabilities of each failure type"
    return _by_type(data, evaluation, title, ("predicted", "observed"), draw)


def calibration_bins(
    label: NDArray[np.bool_], score: Array, bins: int = BINS
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Mean prediction, share of positives and rows of each bin of equal width that has rows."""
    place = np.minimum((score * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    there = count > 0
    predicted = np.bincount(place, score, bins)[there] / count[there]
    observed = np.bincount(place, label.astype(float), bins)[there] / count[there]
    return predicted, observed, count[there]


def comparison(rows: list[tuple[str, float, float, float, bool]], label: str) -> str:
    """Dots with intervals, one row a predictor, the first at the top.

    Args:
        rows: name, value, low, high, and whether it is the model.
        label: of the axis.
    """
    with panels(1, height=0.6 + 0.235 * len(rows)) as (figure, (axis,)):
        for place, (name, value, low, high, is_model) in enumerate(reversed(rows)):
            colour = ACCENT if is_model else QUIET
            axis.plot([low, high], [place, place], color=colour, linewidth=3, alpha=0.35)
            axis.plot([value], [place], "o", color=colour, markersize=6 if is_model else 4.5)
            axis.annotate(
                f"{value:.2f}",
                (high, place),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=colour,
            )
            del name
        axis.set_yticks(range(len(rows)), [row[0] for row in reversed(rows)])
        for tick, row in zip(axis.get_yticklabels(), reversed(rows), strict=True):
            if row[4]:
                tick.set_fontweight("bold")
        axis.set_ylim(-0.6, len(rows) - 0.4)
        axis.set_xlim(0, min(1.0, max(row[3] for row in rows) * 1.12 + 0.02))
        axis.set_xlabel(label)
        axis.grid(visible=False, axis="y")
        return svg(figure, f"{label} of every predictor")


def _by_type(
    data: StepData, evaluation: Evaluation, title: str, names: tuple[str, str], draw: Draw
) -> str:
    """A panel for each type, drawn on where the type occurs.

    Args:
        data: the episodes.
        evaluation: of them.
        title: what the picture shows, for those who cannot see it.
        names: of the two axes.
        draw: takes the axes, the number of the type, its colour and its cells.
    """
    types = data.contract.failure_types
    colour = colours(types)
    with panels(len(types), sharey=True) as (figure, axes):
        for c, (name, axis) in enumerate(zip(types, axes, strict=True)):
            axis.set_title(name, color=colour[name])
            axis.set_xlabel(names[0])
            axis.set_ylabel(names[1] if c == 0 else "")
            axis.set_xlim(0, 1)
            axis.set_ylim(0, 1.02)
            if cells := list(cells_of(data, evaluation, c)):
                draw(axis, c, colour[name], cells)
            else:
                _absent(axis)
        return svg(figure, title)


def _shades(count: int) -> list[float]:
    """Opacities of the lines of so many horizons, the longest the strongest."""
    return [0.35 + 0.65 * (number + 1) / count for number in range(count)]


def _dots(axis: Axes, evaluation: Evaluation, kind: int, colour: str, x: str, y: str) -> None:
    values = evaluation.cells.values
    axis.plot(
        values[x][:, kind, 0],
        values[y][:, kind, 0],
        "o",
        markersize=4,
        markerfacecolor="white",
        markeredgecolor=colour,
        zorder=4,
    )


def _absent(axis: Axes) -> None:
    axis.text(
        0.5,
        0.5,
        "does not occur\nin the test episodes",
        ha="center",
        va="center",
        transform=axis.transAxes,
        color=QUIET,
    )
