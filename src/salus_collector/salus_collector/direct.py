"""A collection without ROS: the same cores as the nodes, called one after the other.

No topic is published, so nobody can look on, record a bag or stand in the command path; what is
left is faster, and the episodes are those of the graph, byte for byte (a test compares them).
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus_collector.policy.base import Decision, EpisodeStart, Policy
from salus_collector.policy.contract import policy_contract
from salus_collector.policy.runner import PolicyRunner
from salus_collector.sim.session import Frame, Session
from salus_data.episode import EpisodeRecord
from salus_data.joining import assembler as channel
from salus_data.joining.commit import EpisodeSink
from salus_data.layout import EE_POSITION
from salus_data.types import Outcome, SupervisorStatus


@dataclass(frozen=True)
class DirectSettings:
    """What the contract of a direct collection says beside what policy and session know.

    Attributes:
        store: folder of the dataset.
        provenance: how the episodes are made.
        horizons: of the labels [steps].
        cameras: whose images are recorded; others may be rendered for the policy alone.
        task: what the policy is asked to do.
        config_digest: of the settings that decide what the episodes are.
    """

    store: Path
    provenance: dict[str, Any]
    horizons: tuple[int, ...]
    cameras: tuple[str, ...]
    task: str
    config_digest: str


class DirectCollection:
    """Runs planned episodes and commits each.

    Args:
        session: simulation.
        policy: acts in the session's action space.
        settings: where to, and what the contract says.
    """

    def __init__(self, session: Session, policy: Policy, settings: DirectSettings) -> None:
        self._session = session
        self._runner = PolicyRunner(policy)
        self._settings = settings
        contract = policy_contract(
            policy,
            step_period=session.step_period,
            task=settings.task,
            cameras=settings.cameras,
            horizons=settings.horizons,
            config_digest=settings.config_digest,
        )
        self._sink = EpisodeSink(settings.store, contract, settings.provenance)

    def episode(self, index: int) -> Iterator[int]:
        """Run one episode and commit it; yields the step that is about to be answered.

        Afterwards `record` tells how it ended, and `reason` why it was not committed.
        """
        session, runner = self._session, self._runner
        frame: Frame | None = session.start(index)
        plan = session.plan
        assert plan is not None
        start = EpisodeStart(plan.seed, session.task, session.step_period)
        runner.begin(start, session.idle_steps)
        rows: list[dict[str, Any]] = []
        while frame is not None:
            yield frame.step
            decision = runner.decide(frame.observation)
            action = np.asarray(decision.action, np.float64)
            rows.append(self._row(frame, decision, action))
            frame = session.apply(plan.id, frame.step, action, space=session.action_space.name)
            runner.executed(action)
        record = session.record
        assert record is not None
        if record.outcome is not Outcome.DISCARDED:
            joined = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
            named = dataclasses.replace(record, policy=runner.policy.name)
            self._sink.write(named, joined)

    @property
    def record(self) -> EpisodeRecord | None:
        """Of the episode that ended last."""
        return self._session.record

    @property
    def reason(self) -> str:
        """Why it was discarded; empty where it was not."""
        return self._session.reason

    def _row(self, frame: Frame, decision: Decision, action: NDArray[np.float64]) -> dict[str, Any]:
        state = frame.observation["state"]
        joints = EE_POSITION.start
        row: dict[str, Any] = {
            "stamp": np.int64(frame.stamp),
            channel.JOINTS: state[:joints],
            channel.EE: state[joints:],
            channel.PERCEIVED: frame.observation["perceived"],
            channel.ACTION_PROPOSED: action,
            channel.ACTION: action,
            channel.CHUNK_PHASE: decision.chunk_phase,
            channel.SUPERVISOR_STATE: int(SupervisorStatus.NORMAL),
        }
        if self._runner.policy.signals:
            row[channel.UNCERTAINTY] = decision.signals
            row[channel.VALIDITY] = decision.validity
        if decision.embedding is not None:
            row[channel.EMBEDDING] = decision.embedding
        for camera in self._settings.cameras:
            name = channel.image_channel(camera)
            row[name] = frame.observation[name]
        return row

    def close(self) -> None:
        """Give the store back; committed episodes stay."""
        self._sink.close()
