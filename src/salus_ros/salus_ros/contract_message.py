"""The contract as a message, and back."""

from salus_msgs.msg import ActionSpace as ActionSpaceMessage
from salus_msgs.msg import Column as ColumnMessage
from salus_msgs.msg import Contract as ContractMessage

from salus_data.action_space import ActionSpace
from salus_data.contract import Column, Contract
from salus_data.errors import ContractMismatchError

SCHEMA_VERSION = 1


def contract_to_message(contract: Contract, policy_signals: int) -> ContractMessage:
    """The message of a contract whose first `policy_signals` signals come from the policy."""
    space = contract.action_space
    return ContractMessage(
        schema_version=SCHEMA_VERSION,
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


def contract_from_message(message: ContractMessage) -> Contract:
    """The contract of a message.

    Raises:
        ContractMismatchError: the schema version is another one, or the digest does not fit.
    """
    if message.schema_version != SCHEMA_VERSION:
        raise ContractMismatchError(
            f"contract has schema version {message.schema_version}; this node knows "
            f"{SCHEMA_VERSION}"
        )
    space = message.action_space
    contract = Contract(
        step_period=message.step_period,
        action_space=ActionSpace(
            space.name,
            tuple(space.names),
            tuple(space.units),
            tuple(space.low),
            tuple(space.high),
        ),
        state=_from_messages(message.state),
        perceived=_from_messages(message.perceived),
        signals=_from_messages(message.signals),
        cameras=tuple(message.cameras),
        ensemble_size=int(message.ensemble_size),
        horizons=tuple(int(h) for h in message.horizons),
        failure_types=tuple(message.failure_types),
        task=message.task,
        policy=message.policy,
        policy_digest=message.policy_digest,
        config_digest=message.config_digest,
    )
    if contract.digest() != message.digest:
        raise ContractMismatchError(
            f"contract digest is {message.digest}, its content has {contract.digest()}"
        )
    return contract


def _to_messages(columns: tuple[Column, ...]) -> list[ColumnMessage]:
    return [ColumnMessage(name=c.name, unit=c.unit, optional=c.optional) for c in columns]


def _from_messages(messages: list[ColumnMessage]) -> tuple[Column, ...]:
    return tuple(Column(m.name, m.unit, bool(m.optional)) for m in messages)
