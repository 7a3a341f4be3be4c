"""What one episode did and how unsure its policy was, on one time axis with its event."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.signals import ROBOT_SIGNAL_COLUMNS
from salus_data.view import StoreView

SHOWN_SIGNALS: Final = 5
"""Signals of the policy that are drawn, in the order of the contract."""

WITHOUT_POLICY_SIGNALS: Final = ("action_change", "tracking_error", "gripper_gap")
"""The robot's own signals that are drawn where the policy computes none."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """One quantity over the steps of an episode.

    Attributes:
        title: what is drawn.
        unit: of the values.
        low, high: ends of the axis; zero lies between them.
        pieces: runs of (step, height) without a gap; height 0 at `low`, 1 at `high`. A value that
            is missing leaves a gap.
    """

    title: str
    unit: str
    low: float
    high: float
    pieces: tuple[tuple[tuple[int, float], ...], ...]


def timeline(view: StoreView, episode: int) -> tuple[Panel, ...]:
    """The panels of one episode: what was executed, then the signals."""
    contract = view.contract
    panels: list[Panel] = []
    if "action" in view.names:
        action = view.read("action", episode).astype(np.float64)
        space = contract.action_space
        motion: dict[str, list[int]] = {}
        for k, unit in enumerate(space.units[:-1]):
            motion.setdefault(unit, []).append(k)
        for unit, components in motion.items():
            moved = ", ".join(space.names[k] for k in components)
            norm = np.linalg.norm(action[:, components], axis=1)
            panels.append(panel(f"norm of {moved}", unit, norm))
        panels.append(panel(f"{space.names[-1]} command", space.units[-1], action[:, -1]))
    if "signals" not in view.names:
        return tuple(panels)
    signals = view.read("signals", episode).astype(np.float64)
    names = [column.name for column in contract.signals]
    own = {column.name for column in ROBOT_SIGNAL_COLUMNS}
    chosen = [name for name in names if name not in own][:SHOWN_SIGNALS]
    for name in chosen or [name for name in WITHOUT_POLICY_SIGNALS if name in names]:
        column = names.index(name)
        if np.isfinite(signals[:, column]).any():
            panels.append(panel(name, contract.signals[column].unit, signals[:, column]))
    return tuple(panels)


def panel(title: str, unit: str, values: Array) -> Panel:
    """A panel whose axis reaches from zero, or below, to the largest of `values` (T,)."""
    finite = values[np.isfinite(values)]
    low = min(float(finite.min(initial=0.0)), 0.0)
    high = max(float(finite.max(initial=0.0)), low + 1e-9)
    return Panel(title, unit, low, high, _pieces((values - low) / (high - low)))


def probability_panel(title: str, values: Array) -> Panel:
    """A panel of probabilities (T,), its axis from 0 to 1."""
    return Panel(title, "1", 0.0, 1.0, _pieces(values))


def _pieces(heights: Array) -> tuple[tuple[tuple[int, float], ...], ...]:
    known = np.flatnonzero(np.isfinite(heights))
    if known.size == 0:
        return ()
    runs = np.split(known, np.flatnonzero(np.diff(known) > 1) + 1)
    return tuple(tuple((int(t), float(heights[t])) for t in run) for run in runs)
