"""What the rows of a study come to: every figure with its interval by paired bootstrap.

A replicate draws seeds, not episodes: the arms of one seed stay together, so what a seed has by
itself (a hard scene, a strong disturbance) cancels in every difference.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus.closed_loop.rows import ARMS, OFF, RANDOM, SUPERVISED, Row
from salus_data.summary.statistics import wilson_interval
from salus_data.types import FAILURE_TYPES
from salus_predictor.evaluation.bootstrap import episode_weights

Array = NDArray[np.float64]
Tree = dict[str, Any]

OTHER_ENDS: Final = ("success", "stopped", "truncated")
ENDS: Final = ("success", *FAILURE_TYPES, "stopped", "truncated")
"""How a pair's episodes can end; discarded ones are left out."""


class Pairs:
    """The rows of all arms, seed by seed; seeds with a discarded episode are left out.

    Attributes:
        rows: arm -> rows, in the order of the seeds.
        discarded: seeds left out.
        weights: (1 + B, E) how often each seed is drawn; the first row is the data as it is.
    """

    def __init__(self, rows: Sequence[Row], *, replicates: int = 2000, seed: int = 0) -> None:
        by_index: dict[int, dict[str, Row]] = {}
        for row in rows:
            by_index.setdefault(row.index, {})[row.arm] = row
        whole = [found for _, found in sorted(by_index.items()) if len(found) == len(ARMS)]
        kept = [f for f in whole if all(row.end != "discarded" for row in f.values())]
        self.discarded = len(whole) - len(kept)
        self.rows: dict[str, list[Row]] = {arm: [f[arm] for f in kept] for arm in ARMS}
        self.weights = episode_weights(max(len(kept), 1), replicates, seed=seed)
        if not kept:
            self.weights = np.zeros((1 + replicates, 0))

    def __len__(self) -> int:
        return len(self.rows[OFF])

    def ends(self, arm: str) -> NDArray[np.str_]:
        """(E,) how each episode of an arm ended."""
        return np.array([row.end for row in self.rows[arm]], dtype=np.str_)

    def failed(self, arm: str) -> Array:
        """(E,) 1 where it ended in a failure; a stop is none."""
        return np.isin(self.ends(arm), FAILURE_TYPES).astype(float)

    def mean(self, values: Array) -> Array:
        """(1 + B,) mean over the seeds drawn."""
        total = self.weights.sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.asarray(self.weights @ values / total)

    def share(self, part: Array, whole: Array) -> Array:
        """(1 + B,) sum of one over the sum of the other, NaN where that is 0."""
        below = self.weights @ whole
        with np.errstate(invalid="ignore", divide="ignore"):
            found = self.weights @ part / below
        return np.where(below > 0, found, np.nan)


def figure(tree: Tree, name: str, values: Array) -> None:
    """Put a figure and its 95 % interval into a tree; null where it is not defined."""
    value = float(values[0])
    tree[name] = value if np.isfinite(value) else None
    drawn = values[1:][np.isfinite(values[1:])]
    enough = np.isfinite(value) and len(drawn) > 0.9 * (len(values) - 1)
    tree[f"{name}_ci"] = [float(x) for x in np.quantile(drawn, (0.025, 0.975))] if enough else None


def proportion(tree: Tree, name: str, pairs: Pairs, part: Array, whole: Array) -> None:
    """As `figure`, of the share of some of the episodes that `part` (E,) is of `whole` (E,).

    Where it is none or all of them every replicate says the same, which would pass for certainty:
    the interval is then Wilson's.
    """
    figure(tree, name, pairs.share(part, whole))
    found, of = int(part.sum()), int(whole.sum())
    if of and found in (0, of):
        tree[f"{name}_ci"] = list(wilson_interval(found, of))


def figures(pairs: Pairs, step_period: float) -> Tree:
    """All figures of a study, as metrics.json has them."""
    return {
        "pairs": len(pairs),
        "discarded": pairs.discarded,
        "arms": {arm: _arm(pairs, arm) for arm in ARMS},
        SUPERVISED: _against_off(pairs, SUPERVISED, step_period),
        RANDOM: _against_off(pairs, RANDOM, step_period),
        "supervised_against_random": _against_random(pairs),
        "untouched_pairs_that_differ": _untouched_that_differ(pairs),
    }


def _arm(pairs: Pairs, arm: str) -> Tree:
    rows, ends = pairs.rows[arm], pairs.ends(arm)
    tree: Tree = {"ends": {end: int((ends == end).sum()) for end in ENDS}}
    figure(tree, "failure_rate", pairs.mean(pairs.failed(arm)))
    for end in ENDS:
        figure(tree, f"{end}_rate", pairs.mean((ends == end).astype(float)))
    figure(tree, "impulse", pairs.mean(np.array([row.impulse for row in rows])))
    steps = Counter[str]()
    for row in rows:
        steps.update(row.states)
    spells = [spell for row in rows for spell in row.spells]
    tree["interventions"] = len(spells)
    tree["interventions_by_kind"] = dict(Counter(spell.kind for spell in spells))
    tree["episodes_with_intervention"] = sum(bool(row.spells) for row in rows)
    tree["steps"] = dict(steps)
    free = sum(row.steps - row.idle - sum(s.steps for s in row.spells) for row in rows)
    tree["interventions_per_1000_free_steps"] = 1000 * len(spells) / max(free + len(spells), 1)
    after = sum(spell.start >= row.onset >= 0 for row in rows for spell in row.spells
                if row.end in FAILURE_TYPES)  # fmt: skip
    tree["interventions_after_own_onset"] = after
    tree["interventions_before_own_onset"] = len(spells) - after
    return tree


def _against_off(pairs: Pairs, arm: str, step_period: float) -> Tree:
    """One arm against the pairs' own episodes without a supervisor."""
    before, after = pairs.ends(OFF), pairs.ends(arm)
    failed, fails = pairs.failed(OFF), pairs.failed(arm)
    tree: Tree = {"changes": _changes(before, after)}
    figure(tree, "failures_reduced", 1 - pairs.share(fails, failed))
    success, succeeds = (before == "success").astype(float), (after == "success").astype(float)
    figure(tree, "unsuccessful_reduced", 1 - pairs.share(1 - succeeds, 1 - success))
    figure(tree, "failure_rate_change", pairs.mean(fails - failed))
    figure(tree, "success_rate_change", pairs.mean(succeeds - success))
    proportion(tree, "successes_lost", pairs, success * (1 - succeeds), success)
    proportion(tree, "successes_lost_to_failure", pairs, success * fails, success)
    stopped = (after == "stopped").astype(float)
    proportion(tree, "successes_lost_to_stop", pairs, success * stopped, success)
    proportion(tree, "failures_recovered", pairs, failed * succeeds, failed)
    proportion(tree, "failures_stopped", pairs, failed * stopped, failed)
    impulse = [np.array([row.impulse for row in pairs.rows[a]]) for a in (OFF, arm)]
    figure(tree, "impulse_reduced", 1 - pairs.share(impulse[1], impulse[0]))
    tree["by_type"] = {}
    for name in FAILURE_TYPES:
        was, now = (before == name).astype(float), (after == name).astype(float)
        node: Tree = {"off": int(was.sum()), arm: int(now.sum())}
        figure(node, "reduced", 1 - pairs.share(now, was))
        proportion(node, "recovered", pairs, was * succeeds, was)
        proportion(node, "stopped", pairs, was * stopped, was)
        proportion(node, "to_other_failure", pairs, was * fails * (1 - now), was)
        tree["by_type"][name] = node
    tree["first_interventions"] = _first_interventions(pairs, arm, step_period)
    both = success * succeeds
    longer = np.array(
        [b.steps - a.steps for a, b in zip(pairs.rows[OFF], pairs.rows[arm], strict=True)]
    )
    figure(tree, "extra_seconds_a_success", pairs.share(both * longer * step_period, both))
    return tree


def _changes(before: NDArray[np.str_], after: NDArray[np.str_]) -> Tree:
    """How the episodes of each end without a supervisor ended with it."""
    table = Counter(zip(before.tolist(), after.tolist(), strict=True))
    return {a: {b: table[a, b] for b in ENDS} for a in ENDS}


def _first_interventions(pairs: Pairs, arm: str, step_period: float) -> Tree:
    """The first intervention of each episode against what would have come without any.

    Up to it both episodes of a pair are the same, so the onset without a supervisor is what it had
    to beat.
    """
    leads: dict[str, list[float]] = {name: [] for name in FAILURE_TYPES}
    tree: Tree = {"in_time": 0, "too_late": 0, "in_successes": 0, "in_other": 0, "none": 0}
    for off, row in zip(pairs.rows[OFF], pairs.rows[arm], strict=True):
        if not row.spells:
            tree["none"] += 1
            continue
        start = row.spells[0].start
        if off.end == "success":
            tree["in_successes"] += 1
        elif off.end not in FAILURE_TYPES:
            tree["in_other"] += 1
        elif start < off.onset:
            tree["in_time"] += 1
            leads[off.end].append((off.onset - start) * step_period)
        else:
            tree["too_late"] += 1
    silent = Counter(
        off.end
        for off, row in zip(pairs.rows[OFF], pairs.rows[arm], strict=True)
        if off.end in FAILURE_TYPES and not row.spells
    )
    tree["failures_without"] = {name: silent[name] for name in FAILURE_TYPES}
    tree["lead_seconds"] = leads
    return tree


def _against_random(pairs: Pairs) -> Tree:
    """The supervisor's arm against interventions of the same kinds at random times."""
    tree: Tree = {}
    figure(tree, "fewer_failures", pairs.mean(pairs.failed(RANDOM) - pairs.failed(SUPERVISED)))
    ours, theirs = ((pairs.ends(a) == "success").astype(float) for a in (SUPERVISED, RANDOM))
    figure(tree, "more_successes", pairs.mean(ours - theirs))
    collisions = [(pairs.ends(a) == "collision").astype(float) for a in (RANDOM, SUPERVISED)]
    figure(tree, "fewer_collisions", pairs.mean(collisions[0] - collisions[1]))
    impulse = [np.array([row.impulse for row in pairs.rows[a]]) for a in (RANDOM, SUPERVISED)]
    figure(tree, "less_impulse", pairs.mean(impulse[0] - impulse[1]))
    return tree


def _untouched_that_differ(pairs: Pairs) -> int:
    """Pairs without an intervention whose episodes differ: 0, or the pairing does not hold."""
    return sum(
        not row.spells and (row.end, row.steps) != (off.end, off.steps)
        for arm in (SUPERVISED, RANDOM)
        for off, row in zip(pairs.rows[OFF], pairs.rows[arm], strict=True)
    )


TARGETS: Final = (
    ("collisions at least halved", ("supervised", "by_type", "collision"), "reduced", 0.5, True),
    ("their impulse at least halved", ("supervised",), "impulse_reduced", 0.5, True),
    (
        "episodes without success reduced by 25 %",
        ("supervised",),
        "unsuccessful_reduced",
        0.25,
        True,
    ),
    ("3 % of the successes lost or fewer", ("supervised",), "successes_lost", 0.03, False),
    (
        "more successes than at random times",
        ("supervised_against_random",),
        "more_successes",
        0.0,
        True,
    ),
)


def verdicts(tree: Mapping[str, Any]) -> list[Tree]:
    """Every target with its figure; met only where the figure says so.

    A failure that became a stop, or a timeout in place of a collision, is no save: an episode
    counts as saved only where it succeeded.
    Against random times the whole interval has to be clear of zero.
    """
    found = []
    for what, path, name, bound, above in TARGETS:
        node: Any = tree
        for key in path:
            node = node[key]
        value, interval = node[name], node[f"{name}_ci"]
        judged = value
        if name == "more_successes":
            judged = interval[0] if interval else None
        met = None
        if judged is not None:
            strictly = judged > bound if name == "more_successes" else judged >= bound
            met = strictly if above else judged <= bound
        found.append({"what": what, "value": value, "ci": interval, "bound": bound, "met": met})
    return found
