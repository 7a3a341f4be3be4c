"""Messages of a decided step."""

from salus_msgs.msg import PolicyAction, SupervisorState
from std_msgs.msg import Header

from salus_data.contract import Contract
from salus_predictor.supervisor.gate import Release
from salus_ros import convert, topics


class ActionMessages:
    """Makes the actions for the robot; each call fills the same object anew.

    Publishing copies a message before it returns, and making one costs as much as publishing it.
    """

    def __init__(self) -> None:
        self._message = PolicyAction(header=Header(frame_id=topics.BASE_FRAME))

    def of(self, release: Release, contract: Contract | None) -> PolicyAction:
        """The action for the robot, where the ruling has one."""
        action, message = release.ruling.action, self._message
        convert.set_stamp(message.header.stamp, release.stamp)
        message.episode_id, message.step = release.episode, release.step
        message.action_space = contract.action_space.name if contract else ""
        message.values = action.tolist() if action is not None else []
        message.chunk_phase = release.chunk_phase
        message.supervisor_state = int(release.ruling.status)
        return message


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
