"""Event-level pictures: lead times, accuracy over time, detection against false alarms."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_predictor.calibration.conformal import risk_of
from salus_predictor.evaluation.alarms import NONE, episode_alarms
from salus_predictor.evaluation.evaluate import Evaluation
from salus_predictor.report.style import INK, QUIET, colours, panels, svg
from salus_predictor.steps import StepData

Array = NDArray[np.float64]

STEPS_BEFORE: Final = 60
RELATIVE_TIMES: Final = 50
FACTORS: Final = np.geomspace(0.05, 20, 21)
"""Factors on the odds of all alarm thresholds, for the operating curve."""


def lead_times(data: StepData, evaluation: Evaluation) -> str:
    """Share of the events of each type that were announced at least so many steps ahead."""
    types, alarms, rules = data.contract.failure_types, evaluation.alarms, evaluation.rules
    colour = colours(types)
    period = data.contract.step_period
    with panels(2, width_ratios=[1, 1]) as (figure, (left, right)):
        steps = np.arange(rules.reaction, rules.horizon + 1)
        for c, name in enumerate(types):
            chosen = alarms.kind == c
            if chosen.any():
                lead = alarms.lead[chosen, c]
                left.step(
                    steps,
                    [(lead >= s).mean() for s in steps],
                    where="mid",
                    color=colour[name],
                    label=f"{name} ({chosen.sum()})",
                )
        left.set_xlim(rules.horizon, 0)
        left.set_ylim(0, 1.02)
        left.axvspan(0, rules.reaction, color=QUIET, alpha=0.12, linewidth=0)
        left.set_title("Announced at least so many steps ahead")
        left.set_xlabel(f"steps before the event (1 step = {1000 * period:.0f} ms)")
        left.set_ylabel("share of events")
        left.legend(loc="best")
        curve = operating_curve(data, evaluation)
        right.plot(curve.false_alarms, curve.detected, color=QUIET, linewidth=1.2)
        right.plot(curve.false_alarms, curve.detected, "o", color=QUIET, markersize=2.5)
        right.plot(
            curve.here[0], curve.here[1], "o", color=INK, markersize=7, label="chosen thresholds"
        )
        right.set_xlim(left=0, right=max(1.0, 2.5 * curve.here[0]))
        right.set_ylim(0, 1.02)
        right.set_title("Detected events against false alarms")
        right.set_xlabel("false alarm events a successful episode")
        right.set_ylabel("share of events, right type")
        right.legend(loc="lower right")
        return svg(figure, "Lead times, and detection against false alarms")


@dataclass(frozen=True)
class Curve:
    """Detection against false alarms: along factors on the thresholds, and as they were chosen."""

    false_alarms: Array
    detected: Array
    here: tuple[float, float]


def operating_curve(data: StepData, evaluation: Evaluation) -> Curve:
    """What other thresholds would have done on the test data; nothing is chosen by it."""
    chosen = np.minimum(evaluation.thresholds.alarm, 1 - 1e-9)
    odds = chosen / (1 - chosen)
    points = [_point(data, evaluation, f * odds / (1 + f * odds)) for f in FACTORS]
    points = sorted(set(points))
    here = _point(data, evaluation, evaluation.thresholds.alarm)
    return Curve(np.array([p[0] for p in points]), np.array([p[1] for p in points]), here)


def _point(data: StepData, evaluation: Evaluation, threshold: Array) -> tuple[float, float]:
    alarms = episode_alarms(data, evaluation.forecasts, threshold, evaluation.rules)
    success, failed = alarms.kind == NONE, np.flatnonzero(alarms.kind >= 0)
    false = float(alarms.false[success].mean()) if success.any() else 0.0
    found = alarms.lead[failed, alarms.kind[failed]] > 0
    return false, float(found.mean()) if len(failed) else 0.0


def accuracy_over_time(data: StepData, evaluation: Evaluation) -> str:
    """How many episodes are in alarm: before events, and along successful episodes."""
    types, alarms, rules = data.contract.failure_types, evaluation.alarms, evaluation.rules
    colour = colours((*types, "success"))
    on = risk_of(evaluation.forecasts)[:, :-1] > evaluation.thresholds.alarm
    with panels(2, sharey=True) as (figure, (left, right)):
        for c, name in enumerate(types):
            episodes = np.flatnonzero(alarms.kind == c)
            if len(episodes) == 0:
                continue
            before = np.arange(1, STEPS_BEFORE + 1)
            share = np.full(len(before), np.nan)
            for i, b in enumerate(before):
                long = episodes[alarms.watched[episodes] >= b]
                if len(long):
                    share[i] = on[data.starts[long] + alarms.watched[long] - b, c].mean()
            left.plot(before, share, color=colour[name], label=name)
        left.axvspan(rules.reaction, rules.horizon, color=QUIET, alpha=0.12, linewidth=0)
        left.text(
            (rules.reaction + rules.horizon) / 2, 0.99, "hits", color=QUIET, ha="center", va="top"
        )
        left.set_xlim(STEPS_BEFORE, 0)
        left.set_ylim(0, 1.02)
        left.set_title("Before a failure: alarm of the right type is on")
        left.set_xlabel("steps before the event")
        left.set_ylabel("share of episodes")
        left.legend(loc="upper left")
        successes = np.flatnonzero((alarms.kind == NONE) & (alarms.watched > 0))
        times = (np.arange(RELATIVE_TIMES) + 0.5) / RELATIVE_TIMES
        if len(successes):
            rows = data.starts[successes][:, None] + (
                times * alarms.watched[successes][:, None]
            ).astype(int)
            for c, name in enumerate(types):
                right.plot(100 * times, on[rows, c].mean(axis=0), color=colour[name], label=name)
            right.plot(
                100 * times,
                on[rows].any(axis=2).mean(axis=0),
                color=QUIET,
                linestyle="--",
                linewidth=1.2,
                label="any",
            )
            right.legend(loc="upper left")
        right.set_title("In successful episodes: a false alarm is on")
        right.set_xlabel("time in the episode [%]")
        return svg(figure, "Alarms over time before failures and in successful episodes")
