"""What the alarms of a predictor did in each episode.

An alarm of a type is on where its probability at the longest horizon is above the alarm threshold.
An event at row f is hit by an alarm that is on at a row t with reaction <= f - t <= horizon:
earlier is another story, later is too late to act. Alarms of all types that are on without a pause
of `clear` steps are one alarm event; it is false where no failure follows within the horizon of any
of its rows. Episodes with an unknown end (truncated, stopped, undated) count in neither.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.types import Outcome
from salus_predictor.calibration.conformal import risk_of
from salus_predictor.evaluation.thresholds import watched_rows
from salus_predictor.model.base import Forecasts
from salus_predictor.steps import StepData

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]

REACTION_TIME: Final = 0.1
"""Seconds that a supervisor needs from an alarm to an effect."""

CLEAR_TIME: Final = 1 / 3
"""Seconds without an alarm after which another one is a new event."""

NONE: Final = -1
"""No failure, no alarm."""

UNCOUNTED: Final = -2
"""The kind of an episode whose end is not known."""


@dataclass(frozen=True)
class AlarmRules:
    """The rules in steps.

    Attributes:
        horizon: the longest of the contract.
        reaction: an alarm fewer steps before the event is too late.
        clear: steps without an alarm that end an alarm event.
    """

    horizon: int
    reaction: int
    clear: int

    @classmethod
    def of(
        cls,
        data: StepData,
        reaction_time: float = REACTION_TIME,
        clear_time: float = CLEAR_TIME,
    ) -> "AlarmRules":
        """The rules for this step period."""
        period, horizon = data.contract.step_period, data.contract.horizons[-1]
        reaction = min(max(1, ceil(reaction_time / period - 1e-6)), horizon)
        return cls(horizon, reaction, max(1, ceil(clear_time / period - 1e-6)))


@dataclass(frozen=True)
class EpisodeAlarms:
    """One entry for each of E episodes.

    Attributes:
        kind: (E,) type of the failure, NONE for a success; UNCOUNTED where its end is not known.
        lead: (E, C) steps from the first alarm of each type inside the window of the event to the
            event; 0 where there is none.
        lead_any: (E,) the same for an alarm of whatever type.
        said: (E,) the likeliest type at the first alarm that matters: inside the window of a
            failure, anywhere in a success; NONE without an alarm.
        alarm_row: (E,) that row of the episode; NONE without an alarm.
        false: (E,) false alarm events.
        watched: (E,) rows watched.
    """

    kind: Numbers
    lead: Numbers
    lead_any: Numbers
    said: Numbers
    alarm_row: Numbers
    false: Numbers
    watched: Numbers


def episode_alarms(
    data: StepData, forecasts: Forecasts, threshold: Array, rules: AlarmRules
) -> EpisodeAlarms:
    """Apply the rules to every episode.

    Args:
        data: E episodes, N rows.
        forecasts: of its rows.
        threshold: (C,).
        rules: in steps.
    """
    n, n_types = len(data), len(data.contract.failure_types)
    score = risk_of(forecasts)[:, :-1]
    on = score > threshold
    kind = np.array([_kind(data, e) for e in range(n)], np.int64)
    lead = np.zeros((n, n_types), np.int64)
    lead_any, false = np.zeros(n, np.int64), np.zeros(n, np.int64)
    said, row = np.full(n, NONE), np.full(n, NONE)
    watched = np.array([watched_rows(data, e) for e in range(n)], np.int64)
    for e in np.flatnonzero(kind != UNCOUNTED):
        active = on[data.starts[e] : data.starts[e] + watched[e]]
        steps = np.flatnonzero(active.any(axis=1))
        onset = int(watched[e]) if kind[e] >= 0 else None
        false[e] = false_events(steps, onset, rules)
        if onset is not None:
            inside = slice(max(onset - rules.horizon, 0), max(onset - rules.reaction + 1, 0))
            hit = active[inside]
            first = inside.start + hit.argmax(axis=0)
            lead[e] = np.where(hit.any(axis=0), onset - first, 0)
            lead_any[e] = lead[e].max(initial=0)
            steps = steps[(steps >= inside.start) & (steps < inside.stop)]
        if len(steps):
            row[e] = steps[0]
            raised = np.where(active[steps[0]], score[data.starts[e] + steps[0]], -1)
            said[e] = raised.argmax()
    return EpisodeAlarms(kind, lead, lead_any, said, row, false, watched)


def alarm_events(steps: Numbers, clear: int) -> list[tuple[int, int]]:
    """First and last row of every alarm event; `steps` are the rows with an alarm, growing."""
    if len(steps) == 0:
        return []
    cuts = np.flatnonzero(np.diff(steps) > clear)
    starts = steps[np.concatenate([[0], cuts + 1])]
    stops = steps[np.concatenate([cuts, [len(steps) - 1]])]
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def false_events(steps: Numbers, onset: int | None, rules: AlarmRules) -> int:
    """Alarm events that no failure follows within the horizon; `onset` None for a success."""
    events = alarm_events(steps, rules.clear)
    if onset is None:
        return len(events)
    return sum(last < onset - rules.horizon for _, last in events)


def _kind(data: StepData, episode: int) -> int:
    record = data.records[episode]
    if record.first_intervention_step >= 0:
        return UNCOUNTED
    if record.outcome is Outcome.SUCCESS:
        return NONE
    if record.outcome is Outcome.FAILURE and record.onset_step >= 0:
        return record.failure_type
    return UNCOUNTED
