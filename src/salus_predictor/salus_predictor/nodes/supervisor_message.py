"""Messages of a decided step."""

from salus_msgs.msg import PolicyAction, SupervisorState

from salus_data.contract import Contract
from salus_predictor.supervisor.gate import Release
from salus_ros import convert, topics


def action_message(release: Release, contract: Contract | None) -> PolicyAction:
    """The action for the robot, where the ruling has one."""
    action = release.ruling.action
    return PolicyAction(
        header=convert.header(release.stamp, topics.BASE_FRAME),
        episode_id=release.episode,
        step=release.step,
        action_space=contract.action_space.name if contract else "",
        values=action.tolist() if action is not None else [],
        chunk_phase=release.chunk_phase,
        supervisor_state=int(release.ruling.status),
    )


def state_message(release: Release, *, warning_id: int, interventions: int) -> SupervisorState:
    """The supervisor's state; `warning_id` is of the warning behind it, 0 for none."""
    ruling = release.ruling
    return SupervisorState(
        header=convert.header(release.stamp),
        episode_id=release.episode,
        step=release.step,
        state=int(ruling.status),
        mode=int(ruling.mode),
        would_be_state=int(ruling.would_be),
        reason=ruling.reason,
        warning_id=warning_id,
        interventions=interventions,
    )
