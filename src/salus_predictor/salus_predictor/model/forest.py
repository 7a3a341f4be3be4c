"""All trees of some boosters at once, for one row: what a step of a stream asks for.

A call of XGBoost costs the same for one row as for a thousand. Here every comparison of every tree
is made in one go: a node whose comparison fails loses the leaves below its left child, and of the
leaves that are left in a tree the leftmost one is where the row ends (QuickScorer, Lucchese et
al., SIGIR 2015). The bins of person-period rows differ in their last feature alone, so comparisons
of it are made once, when the forest is built, and the others are shared by all bins.

Leaves are added in float32, round by round, as XGBoost adds them: a test holds the two together.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.unsignedinteger]

MAX_LEAVES: Final = 64
"""Leaves of a tree that fit into the bits of a mask."""

_NARROW: Final = 32
"""Leaves up to which masks are half as wide, and read in half the time."""


class Forest:
    """The trees of boosters that read the same features.

    Args:
        boosters: each as `trees_json.plain` gives it, and how many bins a row is asked for, their
            number being the last feature; 0: the booster knows no bins.

    Raises:
        ValueError: a tree has more than `MAX_LEAVES` leaves.
    """

    def __init__(self, *boosters: tuple[dict[str, Any], int]) -> None:
        columns = max(max(bins, 1) for _, bins in boosters)
        features: list[int] = []
        thresholds: list[float] = []
        masks: list[int] = []
        starts: list[int] = []
        first_leaf: list[int] = []
        leaves: list[float] = []
        of_bins: list[list[int]] = []
        self._parts: list[tuple[slice, int, int]] = []
        for data, bins in boosters:
            first_tree = len(starts)
            last = data["features"] - 1 if bins else -1
            for tree in (*map(_leaf, data["base"]), *data["trees"]):
                starts.append(len(features))
                first_leaf.append(len(leaves))
                left_of, values = _layout(tree)
                alive = [2**64 - 1] * columns
                for node, mask in left_of.items():
                    feature, threshold = tree["feature"][node], np.float32(tree["value"][node])
                    if feature == last:
                        alive = [a & (~mask if b >= threshold else ~0) for b, a in enumerate(alive)]
                    else:
                        features.append(feature)
                        thresholds.append(float(threshold))
                        masks.append(2**64 - 1 - mask)
                if len(features) == starts[-1]:  # no comparison left: one that never fails
                    features.append(0)
                    thresholds.append(np.inf)
                    masks.append(2**64 - 1)
                leaves += values
                of_bins.append(alive)
            self._parts.append((slice(first_tree, len(starts)), data["classes"], max(bins, 1)))
        most = max(np.diff([*first_leaf, len(leaves)]))
        kind: type[np.unsignedinteger] = np.uint32 if most <= _NARROW else np.uint64
        self._features = np.array(features, np.intp)
        self._thresholds = np.array(thresholds, np.float32)
        self._masks: Mask = np.array(masks, np.uint64).astype(kind)
        self._every, self._one = kind(np.iinfo(kind).max), kind(1)
        self._starts = np.array(starts, np.intp)
        self._of_bins: Mask = np.array(of_bins, np.uint64).astype(kind)  # (trees, bins)
        self._leaves = np.array(leaves, np.float32)
        self._first_leaf = np.array(first_leaf, np.intp)[:, None]

    def margins(self, features: NDArray[np.float32]) -> list[NDArray[np.float64]]:
        """Of each booster the margins (bins or 1, classes) of finite features (F,), no bin."""
        holds = features.take(self._features) < self._thresholds
        lost = np.where(holds, self._every, self._masks)
        alive = np.bitwise_and.reduceat(lost, self._starts)[:, None] & self._of_bins
        # The zeros below the lowest bit that is set.
        leaf = np.bitwise_count(~alive & (alive - self._one))
        values = self._leaves.take(leaf + self._first_leaf)
        found = []
        for trees, classes, bins in self._parts:
            # Along the first axis numpy adds one after the other, as XGBoost does.
            rounds = values[trees].reshape(-1, classes, values.shape[1])
            found.append(np.add.reduce(rounds, axis=0).T[:bins].astype(np.float64))
        return found


def _leaf(value: float) -> dict[str, Any]:
    """A tree that says the same of every row."""
    return {"left": [-1], "right": [-1], "feature": [0], "value": [value]}


def _layout(tree: dict[str, Any]) -> tuple[dict[int, int], list[float]]:
    """For every inner node the leaves below its left child as bits; values, leftmost leaf first.

    Raises:
        ValueError: there are more than `MAX_LEAVES` leaves.
    """
    left, right, value = tree["left"], tree["right"], tree["value"]
    count = [1] * len(left)
    # Children come after their parents.
    for node in reversed(range(len(left))):
        if left[node] >= 0:
            count[node] = count[left[node]] + count[right[node]]
    if count[0] > MAX_LEAVES:
        raise ValueError(f"a boosted tree has {count[0]} leaves; {MAX_LEAVES} fit into a mask")
    place = [0] * len(left)
    left_of: dict[int, int] = {}
    values = [0.0] * count[0]
    for node, child in enumerate(left):
        if child < 0:
            values[place[node]] = value[node]
            continue
        place[child] = place[node]
        place[right[node]] = place[node] + count[child]
        left_of[node] = (2 ** count[child] - 1) << place[node]
    return left_of, values
