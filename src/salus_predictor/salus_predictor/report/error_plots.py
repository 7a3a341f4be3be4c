"""Where the errors lie, as stacked bars: what became of positive and of predicted steps."""

from collections.abc import Mapping
from typing import Any, Final

from matplotlib.patches import Patch

from salus_predictor.evaluation.errors import FALSE, FOUND, MISSED
from salus_predictor.report.style import QUIET, colours, panels, svg

LABELS: Final = {
    "found": "found",
    "missed_abrupt": "missed, abrupt cause",
    "missed_found_elsewhere": "missed, found at other steps",
    "missed_never_found": "missed, never found",
    "hits": "right",
    "false_success": "false, in a success",
    "false_early": "false, same failure but too early",
    "false_other_failure": "false, before another failure",
    "false_cut_off": "false, in an episode cut off",
}
"""How the page calls the parts."""

SHADES: Final = (0.95, 0.5, 0.25, 0.1)
"""Opacity of the parts of a bar; the last two parts of the false ones share the last."""

NARROW: Final = 0.07
"""Parts below this share have no number on them."""


def error_bars(errors: Mapping[str, Any], types: tuple[str, ...]) -> str:
    """Left the positive steps of each type by what became of them, right the predicted ones.

    Args:
        errors: `step.errors` of metrics.json.
        types: names, one bar each; a type without positive steps has an empty one.
    """
    colour = colours(types)
    sides = (
        ("Steps before a failure", (FOUND, *MISSED)),
        ("Steps that were predicted", ("hits", *_shown(errors))),
    )
    with panels(2, sharey=True, height=0.42 * len(types) + 1.5) as (figure, axes):
        for axis, (title, parts) in zip(axes, sides, strict=True):
            for row, name in enumerate(types):
                left = 0.0
                for part, shade in zip(parts, (*SHADES, SHADES[-1]), strict=False):
                    share = errors["by_type"][name][part]["share"] or 0.0
                    axis.barh(
                        row, share, left=left, color=colour[name], alpha=shade, height=0.68, lw=0
                    )
                    if share >= NARROW:
                        axis.text(
                            left + share / 2, row, f"{100 * share:.0f}", ha="center", va="center"
                        )
                    left += share
            axis.set_title(title)
            axis.set_xlim(0, 1)
            axis.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
            axis.grid(False)
            axis.spines["left"].set_visible(False)
            axis.tick_params(axis="y", length=0)
            axis.legend(
                handles=[
                    Patch(color=QUIET, alpha=shade, lw=0, label=LABELS[part])
                    for part, shade in zip(parts, (*SHADES, SHADES[-1]), strict=False)
                ],
                loc="upper center",
                bbox_to_anchor=(0.5, -0.13),
                ncols=2,
                fontsize=7.5,
            )
        axes[0].set_yticks(range(len(types)), types)
        axes[0].invert_yaxis()
        return svg(figure, "What became of positive and of predicted steps, by failure type")


def _shown(errors: Mapping[str, Any]) -> tuple[str, ...]:
    """The parts of false steps; episodes that were cut off only where there is such a step."""
    return FALSE if errors["all"]["false_cut_off"]["steps"] else FALSE[:-1]


def error_columns(errors: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Part and heading of every column of the table."""
    parts = (FOUND, *MISSED, "hits", *_shown(errors))
    return tuple((part, LABELS[part]) for part in parts)
