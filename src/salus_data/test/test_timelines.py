"""The timelines of the summary page: values where they are, gaps where none are."""

from pathlib import Path

import numpy as np
import pytest

from salus_data.summary.timelines import panel, timeline
from salus_data.view import StoreView


def test_a_missing_value_is_a_gap_and_no_zero() -> None:
    drawn = panel("epistemic", "1", np.array([np.nan, 1.0, 2.0, np.nan, 4.0]))
    assert [[step for step, _ in piece] for piece in drawn.pieces] == [[1, 2], [4]]
    assert drawn.pieces[1][0] == (4, 1.0)
    assert (drawn.low, drawn.high) == (0.0, 4.0)


def test_the_axis_of_negative_values_ends_at_zero() -> None:
    drawn = panel("effort", "N", np.array([-3.0, -1.0]))
    assert (drawn.low, round(drawn.high, 6)) == (-3.0, 0.0)


def test_a_signal_that_never_had_a_value_has_no_curve() -> None:
    assert panel("stac", "1", np.full(4, np.nan)).pieces == ()


def test_an_episode_shows_actions_and_signals_over_all_its_steps(sound_store: Path) -> None:
    view = StoreView(sound_store)
    panels = timeline(view, 0)
    assert panels[0].title == "norm of dx, dy, dz"
    gripper = next(p for p in panels if p.title.startswith("gripper"))
    steps = [step for piece in gripper.pieces for step, _ in piece]
    assert steps == list(range(view.length(0)))
    last = gripper.pieces[-1][-1][1] * (gripper.high - gripper.low) + gripper.low
    assert last == pytest.approx(view.read("action", 0)[-1, -1])
