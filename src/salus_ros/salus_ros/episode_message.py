"""Episode records as messages, and back: the same numbers on the wire and in the store."""

import json
import math

from salus_msgs.msg import EpisodeEvent

from salus_data.episode import EpisodeRecord
from salus_data.errors import FormatError
from salus_data.types import NO_FAILURE, Outcome


def record_to_message(record: EpisodeRecord, kind: int) -> EpisodeEvent:
    """The event that tells of a record; stamp, steps, step period and reason are the caller's."""
    return EpisodeEvent(
        kind=kind,
        episode_id=record.id,
        index=record.index,
        seed=record.seed,
        task=record.task,
        disturbance=json.dumps(record.disturbance, sort_keys=True),
        abrupt=record.abrupt,
        idle_steps=record.idle_steps,
        outcome=int(record.outcome),
        failure_type=int(record.failure_type),
        onset_step=record.onset_step,
        confirm_step=record.confirm_step,
        onset_time=record.onset_time,
        timeout_kind=record.timeout_kind,
        bodies=list(record.bodies),
        force=record.force,
        milestone_names=[name for name, _ in record.milestones],
        milestone_steps=[step for _, step in record.milestones],
    )


def record_from_message(
    message: EpisodeEvent, *, policy: str, first_intervention_step: int = -1
) -> EpisodeRecord:
    """The record of an ended episode.

    Raises:
        FormatError: the disturbance is no JSON object, or a number has no meaning.
    """
    try:
        disturbance = json.loads(message.disturbance or "{}")
        outcome = Outcome(message.outcome)
    except ValueError as error:
        raise FormatError(f"episode {message.episode_id}: {error}") from error
    if not isinstance(disturbance, dict):
        raise FormatError(f"episode {message.episode_id}: disturbance is {message.disturbance!r}")
    failed = outcome is Outcome.FAILURE
    return EpisodeRecord(
        id=message.episode_id,
        index=int(message.index),
        seed=int(message.seed),
        task=message.task,
        disturbance=disturbance,
        abrupt=bool(message.abrupt),
        policy=policy,
        outcome=outcome,
        failure_type=int(message.failure_type) if failed else NO_FAILURE,
        onset_step=int(message.onset_step),
        confirm_step=int(message.confirm_step),
        onset_time=float(message.onset_time) if message.onset_step >= 0 else math.nan,
        timeout_kind=message.timeout_kind,
        bodies=tuple(message.bodies),
        force=float(message.force),
        first_intervention_step=first_intervention_step,
        idle_steps=int(message.idle_steps),
        milestones=tuple(
            (name, int(step))
            for name, step in zip(message.milestone_names, message.milestone_steps, strict=True)
        ),
    )
