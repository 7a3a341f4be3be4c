"""The contract as a message; the way back is in `salus_data.messages`."""

from salus_msgs.msg import ActionSpace as ActionSpaceMessage
from salus_msgs.msg import Column as ColumnMessage
from salus_msgs.msg import Contract as ContractMessage

from salus_data.contract import Column, Contract
from salus_data.messages import CONTRACT_VERSION, contract_from_message

__all__ = ["contract_from_message", "contract_to_message"]


def contract_to_message(
    contract: Contract, policy_signals: int, embedding_size: int = 0
) -> ContractMessage:
    """The message of a contract.

    Args:
        contract: what the numbers mean.
        policy_signals: how many of its signals come first, from the policy.
        embedding_size: width of the policy's embedding; 0 for none.
    """
    space = contract.action_space
    return ContractMessage(
        schema_version=CONTRACT_VERSION,
        step_period=contract.step_period,
        action_space=ActionSpaceMessage(
            name=space.name,
            names=list(space.names),
            units=list(space.units),
            low=list(space.low),
            high=list(space.high),
        ),
        state=_to_messages(contract.state),
        perceived=_to_messages(contract.perceived),
        signals=_to_messages(contract.signals),
        policy_signals=policy_signals,
        embedding_size=embedding_size,
        cameras=list(contract.cameras),
        ensemble_size=contract.ensemble_size,
        failure_types=list(contract.failure_types),
        horizons=list(contract.horizons),
        task=contract.task,
        policy=contract.policy,
        policy_digest=contract.policy_digest,
        config_digest=contract.config_digest,
        digest=contract.digest(),
    )


def _to_messages(columns: tuple[Column, ...]) -> list[ColumnMessage]:
    return [ColumnMessage(name=c.name, unit=c.unit, optional=c.optional) for c in columns]
