"""The contract of a graph with a policy in it, for the node and for loops without ROS."""

from collections.abc import Sequence

from salus_collector.policy.base import Policy
from salus_data.contract import DEFAULT_HORIZONS, Contract
from salus_data.layout import PERCEIVED, STATE
from salus_data.signals import ROBOT_SIGNAL_COLUMNS


def policy_contract(
    policy: Policy,
    *,
    step_period: float,
    task: str,
    cameras: Sequence[str] = (),
    horizons: Sequence[int] = DEFAULT_HORIZONS,
    config_digest: str = "",
) -> Contract:
    """What every number means where this policy acts: its own signals first, then the robot's.

    The robot gives those that the policy does not give itself.
    """
    given = {column.name for column in policy.signals}
    robot = tuple(column for column in ROBOT_SIGNAL_COLUMNS if column.name not in given)
    return Contract(
        step_period=step_period,
        action_space=policy.action_space,
        state=STATE,
        perceived=PERCEIVED,
        signals=(*policy.signals, *robot),
        cameras=tuple(cameras),
        ensemble_size=policy.ensemble_size,
        horizons=tuple(horizons),
        task=task,
        policy=policy.name,
        policy_digest=policy.digest,
        config_digest=config_digest,
    )
