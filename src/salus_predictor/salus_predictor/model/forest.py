"""All trees of a booster at once, for one row: what a step of a stream asks for.

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

Mask = NDArray[np.uint64]

MAX_LEAVES: Final = 64
"""Leaves of a tree that fit into the bits of a mask."""

_EVERY: Final = np.uint64(2**64 - 1)


class Forest:
    """The trees of one booster.

    Args:
        data: the booster as `trees_json.plain` gives it.
        bins: how many bins a row is asked for, their number being the last feature; 0: the booster
            knows no bins.

    Raises:
        ValueError: a tree has more than `MAX_LEAVES` leaves.
    """

    def __init__(self, data: dict[str, Any], bins: int = 0) -> None:
        self._classes: int = data["classes"]
        last = data["features"] - 1 if bins else -1
        base = [{"left": [-1], "right": [-1], "feature": [0], "value": [b]} for b in data["base"]]
        features: list[int] = []
        thresholds: list[float] = []
        masks: list[int] = []
        starts, first_leaf = [], []
        leaves: list[float] = []
        of_bins = []
        for tree in [*base, *data["trees"]]:
            starts.append(len(features))
            first_leaf.append(len(leaves))
            left_of, values = _layout(tree)
            alive = [2**64 - 1] * max(bins, 1)
            for node, mask in left_of.items():
                feature, threshold = tree["feature"][node], float(np.float32(tree["value"][node]))
                if feature == last:
                    alive = [a & (~mask if b >= threshold else ~0) for b, a in enumerate(alive)]
                else:
                    features.append(feature)
                    thresholds.append(threshold)
                    masks.append(2**64 - 1 - mask)
            if len(features) == starts[-1]:  # a tree without a comparison: one that never fails
                features.append(0)
                thresholds.append(np.inf)
                masks.append(2**64 - 1)
            leaves += values
            of_bins.append(alive)
        self._features = np.array(features, np.intp)
        self._thresholds = np.array(thresholds, np.float32)
        self._masks: Mask = np.array(masks, np.uint64)
        self._starts = np.array(starts, np.intp)
        self._of_bins: Mask = np.array(of_bins, np.uint64).T.copy()  # (bins, trees)
        self._leaves = np.array(leaves, np.float32)
        self._first_leaf = np.array(first_leaf, np.intp)

    def margins(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Margins (bins or 1, classes) of finite features (F,), the bin left out."""
        holds = features.take(self._features) < self._thresholds
        lost = np.where(holds, _EVERY, self._masks)
        alive = np.bitwise_and.reduceat(lost, self._starts) & self._of_bins
        # The zeros below the lowest bit that is set.
        leaf = np.bitwise_count(~alive & (alive - np.uint64(1)))
        values = self._leaves.take(leaf + self._first_leaf)
        # Along an axis that is not the last one numpy adds one after the other, as XGBoost does.
        rounds = values.reshape(len(alive), -1, self._classes)
        sums: NDArray[np.float64] = np.add.reduce(rounds, axis=1).astype(np.float64)
        return sums


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
