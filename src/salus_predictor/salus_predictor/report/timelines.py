"""Single episodes: the risk over time, and what the camera saw around the alarm."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.summary.pictures import cameras, data_url
from salus_data.view import StoreView
from salus_predictor.calibration.conformal import risk_of
from salus_predictor.evaluation.alarms import NONE
from salus_predictor.evaluation.evaluate import Evaluation
from salus_predictor.evaluation.thresholds import watched_rows
from salus_predictor.report.style import INK, QUIET, colours, panels, svg
from salus_predictor.steps import StepData

FRAMES: Final = 7
"""Frames below a timeline."""

SPACING: Final = 5
"""Steps between frames where the time around the alarm is shown."""

MOST: Final = 4
"""Episodes of each kind."""


@dataclass(frozen=True)
class Frame:
    """One moment: `caption` and one picture a camera; `marked` is the alarm or the event."""

    caption: str
    pictures: tuple[str, ...]
    marked: bool


@dataclass(frozen=True)
class Timeline:
    """One episode as the report shows it."""

    title: str
    text: str
    plot: str
    frames: tuple[Frame, ...]


def chosen_episodes(data: StepData, evaluation: Evaluation) -> dict[str, list[int]]:
    """Episodes to show: for each type the hit of median lead and a miss; the median false alarms.

    Nobody picks them: of the candidates in the order of lead time (hits) or of the highest risk
    (misses, false alarms) it is the one in the middle.
    """
    alarms = evaluation.alarms
    risk = risk_of(evaluation.forecasts)
    highest = np.array(
        [
            risk[data.starts[e] : data.starts[e] + max(watched_rows(data, e), 1), -1].max()
            for e in range(len(data))
        ]
    )
    hits, misses = [], []
    for c in range(len(data.contract.failure_types)):
        of_type = np.flatnonzero(alarms.kind == c)
        lead = alarms.lead[of_type, c]
        hits += _middle(of_type[lead > 0], lead[lead > 0], 1)
        silent = of_type[alarms.lead_any[of_type] == 0]
        misses += _middle(silent, highest[silent], 1)
    false = np.flatnonzero((alarms.kind == NONE) & (alarms.false > 0))
    return {
        "hit": hits[:MOST],
        "miss": misses[:MOST],
        "false": _middle(false, highest[false], 2),
    }


def timelines(
    data: StepData, evaluation: Evaluation, view: StoreView | None
) -> dict[str, list[Timeline]]:
    """Timelines of hits, misses and false alarms; frames where the stores have images."""
    return {
        kind: [_timeline(data, evaluation, view, e, kind) for e in episodes]
        for kind, episodes in chosen_episodes(data, evaluation).items()
    }


def _timeline(
    data: StepData, evaluation: Evaluation, view: StoreView | None, episode: int, kind: str
) -> Timeline:
    record, alarms = data.records[episode], evaluation.alarms
    types = data.contract.failure_types
    alarm = int(alarms.alarm_row[episode])
    onset = record.onset_step
    true = "success" if alarms.kind[episode] == NONE else types[alarms.kind[episode]]
    said = types[alarms.said[episode]] if alarms.said[episode] != NONE else ""
    parts = [f"episode {record.id}"]
    if record.disturbance:
        parts.append("disturbed: " + ", ".join(record.disturbance))
    if record.abrupt:
        parts.append("abrupt cause")
    if kind == "hit":
        lead = int(alarms.lead[episode, alarms.kind[episode]])
        seconds = lead * data.contract.step_period
        parts.append(f"alarm {lead} steps ({seconds:.2f} s) ahead")
    elif kind == "miss":
        parts.append("no alarm in time")
    else:
        parts.append(f"alarm for {said}, nothing happened")
    return Timeline(
        true,
        "; ".join(parts),
        _plot(data, evaluation, episode),
        _frames(data, view, episode, alarm, onset, true),
    )


def _plot(data: StepData, evaluation: Evaluation, episode: int) -> str:
    types, alarms = data.contract.failure_types, evaluation.alarms
    colour = colours(types)
    risk = risk_of(evaluation.forecasts)[data.rows(episode), :-1]
    record = data.records[episode]
    with panels(1, height=1.75) as (figure, (axis,)):
        steps = np.arange(len(risk))
        watched = watched_rows(data, episode)
        for c, name in enumerate(types):
            axis.plot(steps[:watched], risk[:watched, c], color=colour[name], label=name)
            threshold = evaluation.thresholds.alarm[c]
            if threshold <= 1:
                axis.axhline(
                    threshold, color=colour[name], linewidth=0.8, linestyle=(0, (2, 3)), alpha=0.8
                )
        if alarms.kind[episode] >= 0:
            onset, rules = record.onset_step, evaluation.rules
            axis.axvspan(
                onset - rules.horizon, onset - rules.reaction, color=QUIET, alpha=0.12, linewidth=0
            )
            axis.axvline(onset, color=INK, linewidth=1.6)
            axis.annotate(
                f" {types[alarms.kind[episode]]}", (onset, 0.97), fontsize=8, va="top", color=INK
            )
        if alarms.alarm_row[episode] >= 0:
            axis.plot(
                [alarms.alarm_row[episode]], [1.03], "v", color=INK, markersize=7, clip_on=False
            )
        for name, step in record.milestones:
            axis.axvline(step, color=QUIET, linewidth=0.8, linestyle=":")
            axis.annotate(
                name,
                (step, -0.01),
                fontsize=6.5,
                color=QUIET,
                rotation=90,
                xytext=(-6, 3),
                textcoords="offset points",
                va="bottom",
            )
        axis.set_xlim(0, max(len(risk) - 1, 1) * 1.04)
        axis.set_ylim(-0.02, 1.02)
        axis.set_ylabel("risk")
        axis.set_xlabel("step")
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return svg(figure, f"Risk over time of episode {record.id}")


def _frames(
    data: StepData, view: StoreView | None, episode: int, alarm: int, onset: int, true: str
) -> tuple[Frame, ...]:
    names = cameras(view) if view is not None else []
    if view is None or not names:
        return ()
    last = int(data.lengths[episode]) - 1
    failed = true != "success"
    steps = frame_steps(alarm, onset if failed else -1, last)
    start = view.rows(episode).start
    frames = []
    for step in steps:
        pictures = tuple(
            data_url(view.window(name, start + step, start + step + 1)[0]) for name in names
        )
        is_event, is_alarm = failed and step == onset, step == alarm
        caption = (
            true if is_event else "alarm" if is_alarm else _relative(step, alarm, onset, failed)
        )
        frames.append(Frame(f"{step} · {caption}", pictures, is_event or is_alarm))
    return tuple(frames)


def frame_steps(alarm: int, event: int, last: int) -> list[int]:
    """At most FRAMES steps around the alarm and the event; -1 for none."""
    if event >= 0:
        start = min(alarm, event) if alarm >= 0 else event - SPACING * (FRAMES - 2)
        first = max(start - (SPACING if alarm >= 0 else 0), 0)
        spread = np.linspace(first, event, FRAMES - 1).round().astype(int)
        wanted = {*spread.tolist(), min(event + SPACING, last), event}
        if alarm >= 0:
            wanted = {s for s in wanted if s in (event, first) or abs(s - alarm) > 1} | {alarm}
    else:
        centre = alarm if alarm >= 0 else last // 2
        wanted = {centre + SPACING * (k - 2) for k in range(FRAMES)}
    inside = sorted(s for s in wanted if 0 <= s <= last)
    return inside[-FRAMES:]


def _relative(step: int, alarm: int, event: int, failed: bool) -> str:
    origin = event if failed else alarm
    return f"{step - origin:+d}"


def _middle(episodes: NDArray[np.int64], order: NDArray[np.generic], count: int) -> list[int]:
    """The `count` episodes in the middle of an order."""
    ranked: Sequence[int] = episodes[np.argsort(order, kind="stable")].tolist()
    start = max((len(ranked) - count) // 2, 0)
    return list(ranked[start : start + count])
