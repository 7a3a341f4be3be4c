"""Pictures of a study, in the style of the evaluation report."""

from typing import Any, Final

import numpy as np

from salus.closed_loop.figures import ENDS, Pairs
from salus.closed_loop.rows import ARMS, OFF, RANDOM, SUPERVISED
from salus_data.types import FAILURE_TYPES
from salus_predictor.report.style import ACCENT, INK, LINE, QUIET, colours, panels, svg

END_COLOURS: Final = colours(ENDS[:-2]) | {"stopped": "#8a8f98", "truncated": "#c3c8cf"}
ARM_COLOURS: Final = {OFF: QUIET, SUPERVISED: ACCENT, RANDOM: "#a77b2b"}
NAMES: Final = {OFF: "no supervisor", SUPERVISED: "supervised", RANDOM: "random times"}


def outcomes(tree: dict[str, Any]) -> str:
    """How the episodes of each arm ended, as stacked bars, and failures by type."""
    with panels(2, height=2.4, width_ratios=[1.25, 1]) as (figure, (left, right)):
        for place, arm in enumerate(ARMS):
            start = 0
            for end in ENDS:
                count = tree["arms"][arm]["ends"][end]
                if count == 0:
                    continue
                left.barh(-place, count, left=start, color=END_COLOURS[end], height=0.62)
                if count > 0.035 * tree["pairs"]:
                    left.text(
                        start + count / 2, -place, str(count), ha="center", va="center",
                        color="white", fontsize=8,
                    )  # fmt: skip
                start += count
        left.set_yticks([0, -1, -2], [NAMES[arm] for arm in ARMS])
        left.set_xlim(0, tree["pairs"])
        left.set_title("How the episodes ended")
        left.set_xlabel("episodes, the same seeds in every row")
        left.grid(visible=False)
        width = 0.26
        for k, arm in enumerate(ARMS):
            node = tree["arms"][arm]
            values = np.array([100 * node[f"{n}_rate"] for n in FAILURE_TYPES])
            ends = [node[f"{n}_rate_ci"] for n in FAILURE_TYPES]
            reach = np.array(
                [[v - 100 * c[0], 100 * c[1] - v] if c else [0, 0]
                 for v, c in zip(values, ends, strict=True)]
            ).T  # fmt: skip
            places = np.arange(len(FAILURE_TYPES)) + (k - 1) * width
            right.bar(places, values, width, color=ARM_COLOURS[arm], label=NAMES[arm])
            right.errorbar(
                places, values, np.maximum(reach, 0), fmt="none", ecolor=INK, elinewidth=0.9
            )
        right.set_xticks(range(len(FAILURE_TYPES)), FAILURE_TYPES)
        right.set_ylabel("% of episodes")
        right.set_title("Failures by type")
        right.set_ylim(0, 1.45 * right.get_ylim()[1])  # the legend stands over the bars
        right.legend(loc="upper left", ncols=1)
        return svg(figure, "Outcomes of the arms, and failures by type")


EFFECTS: Final = (
    ("failures_reduced", "failures"),
    ("impulse_reduced", "collision impulse"),
    ("unsuccessful_reduced", "episodes without success"),
)


def effects(tree: dict[str, Any]) -> str:
    """Relative reductions against no supervisor, with their intervals."""
    with panels(2, height=2.8, width_ratios=[1.25, 1]) as (figure, (left, right)):
        lines: list[tuple[str, str, dict[str, Any], str]] = []
        for name, label in EFFECTS:
            lines += [(label, arm, tree[arm], name) for arm in (SUPERVISED, RANDOM)]
        for kind in FAILURE_TYPES:
            lines += [(kind, a, tree[a]["by_type"][kind], "reduced") for a in (SUPERVISED, RANDOM)]
        labels = list(dict.fromkeys(label for label, *_ in lines))
        for label, arm, node, name in lines:
            if node[name] is None:
                continue
            place = -labels.index(label) + (0.16 if arm == SUPERVISED else -0.16)
            if interval := node[f"{name}_ci"]:
                left.plot([100 * x for x in interval], [place] * 2, color=ARM_COLOURS[arm])
            left.plot(100 * node[name], place, "o", color=ARM_COLOURS[arm], markersize=4.5)
        left.axvline(0, color=INK, linewidth=0.9)
        left.set_yticks([-k for k in range(len(labels))], labels)
        left.set_xlim(-110, 105)
        left.set_xlabel("fewer than without a supervisor [%]")
        left.set_title("What changes")
        for arm in (SUPERVISED, RANDOM):
            left.plot([], [], "o-", color=ARM_COLOURS[arm], label=NAMES[arm])
        left.legend(loc="lower left")
        leads = tree[SUPERVISED]["first_interventions"]["lead_seconds"]
        longest = max([1.0, *(x for values in leads.values() for x in values)])
        edges = np.linspace(0, min(longest, 4.0), 17)
        shown = [np.minimum(leads[name], edges[-1] - 1e-6) for name in FAILURE_TYPES]
        if any(len(values) for values in shown):
            right.hist(
                shown, bins=edges.tolist(), stacked=True, label=list(FAILURE_TYPES),
                color=[END_COLOURS[name] for name in FAILURE_TYPES], edgecolor=LINE, linewidth=0.4,
            )  # fmt: skip
            right.legend(loc="upper right")
        right.set_xlabel("from first intervention to unsupervised failure [s]")
        right.set_ylabel("episodes")
        right.set_title("How early it acted")
        return svg(figure, "Reductions against no supervisor, and lead of the first intervention")


def impulses(pairs: Pairs) -> str:
    """How hard the contacts of each arm were."""
    with panels(2, height=2.5) as (figure, (left, right)):
        for arm in ARMS:
            hard = np.sort([row.impulse for row in pairs.rows[arm] if row.impulse > 0])[::-1]
            left.step(
                np.arange(1, len(hard) + 1), hard, where="post", color=ARM_COLOURS[arm],
                label=f"{NAMES[arm]} ({len(hard)})",
            )  # fmt: skip
            total = [sum(row.impulse for row in pairs.rows[arm])]
            right.bar(NAMES[arm], total, color=ARM_COLOURS[arm], width=0.6)
        if any(row.impulse > 0 for arm in ARMS for row in pairs.rows[arm]):
            left.set_yscale("log")
        left.set_title("Episodes with a contact, the hardest first")
        left.set_xlabel("episodes")
        left.set_ylabel("impulse of contacts [N s]")
        left.legend(loc="upper right")
        right.set_title("All of it together")
        right.set_ylabel("impulse [N s]")
        right.grid(visible=False, axis="x")
        return svg(figure, "Impulse of contacts")
