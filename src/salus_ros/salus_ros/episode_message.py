"""Episode records as messages, and back: the same numbers on the wire and in the store."""

import json

from salus_msgs.msg import EpisodeEvent

from salus_data.episode import EpisodeRecord
from salus_data.messages import record_from_message

__all__ = ["record_from_message", "record_to_message"]


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
