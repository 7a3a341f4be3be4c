"""Which signals a predictor reads: sets by name, or an explicit list."""

from typing import Final

from salus_data.contract import Column, Contract
from salus_data.errors import ContractMismatchError, FormatError
from salus_data.signals import ROBOT_SIGNALS

CORE: Final = (
    "epistemic",
    "epistemic_max",
    "aleatoric",
    "epistemic_trend",
    "action_magnitude",
    "action_change",
)
"""Uncertainty of the policy, and what it does."""

PERCEIVED: Final = tuple(signal.name for signal in ROBOT_SIGNALS if signal.perceives)
"""Signals about objects as the policy perceives them."""

SEEN: Final = "seen_"
"""Prefix of the signals of a localiser (`salus collect --localiser`): about objects as well."""

PLANNED: Final = "planned_"
"""Prefix of the signals of the policy's plan."""

PLANNED_ABOUT: Final = ("planned_object_", "planned_bin_", "planned_clearance")
"""Of those, the ones that set the plan beside perceived objects."""

EMBEDDING: Final = "embedding"
"""Among inputs: the policy's hidden state, where it is recorded."""

INPUT_SETS: Final = {
    "core": "six signals of uncertainty and action: " + ", ".join(CORE),
    "portable": "all signals but those about perceived objects: any robot has them",
    "perceived": "all signals, those about perceived objects included",
}
"""Names of the sets, and what they are."""


def choose_inputs(contract: Contract, inputs: str) -> tuple[str, ...]:
    """The signals of a set, or of a list with commas, in the contract's order.

    Sets and signals may stand side by side: `core,finger_effort`. `embedding` is left out, since
    it is no signal; `reads_embedding` tells of it.

    Raises:
        ContractMismatchError: the contract lacks a signal of the set; names all that it lacks.
        FormatError: a signal is named twice, or none is left.
    """
    given = [column.name for column in contract.signals]
    sets = {
        "core": list(CORE),
        "portable": [name for name in given if not about_objects(name)],
        "perceived": [*(name for name in given if name not in PERCEIVED), *PERCEIVED],
    }
    named = [name for name in named_inputs(inputs) if name != EMBEDDING]
    wanted = [signal for name in named for signal in sets.get(name, [name])]
    if not wanted:
        raise FormatError(
            f"inputs {inputs!r} leave no signal of {', '.join(given) or 'a bare store'}; "
            f"give {', '.join(INPUT_SETS)} or signals with commas, and embedding beside them"
        )
    if len(set(wanted)) < len(wanted):
        raise FormatError(f"inputs {inputs!r} name a signal twice")
    if missing := [name for name in wanted if name not in given]:
        raise ContractMismatchError(
            f"inputs {inputs!r} need {', '.join(missing)}, which the data lacks; it has "
            f"{', '.join(given) or 'no signals'}. Sets are {', '.join(INPUT_SETS)}"
        )
    return tuple(name for name in given if name in wanted)


def reads_embedding(inputs: str) -> bool:
    """Whether the policy's hidden state is among the inputs: `perceived,embedding`."""
    return EMBEDDING in named_inputs(inputs)


def named_inputs(inputs: str) -> list[str]:
    """Sets and signals as they were named, `embedding` among them."""
    return [name.strip() for name in inputs.split(",") if name.strip()]


def about_objects(name: str) -> bool:
    """Whether a signal tells of objects as the policy or a localiser perceives them."""
    return name in PERCEIVED or name.startswith((SEEN, *PLANNED_ABOUT))


def input_columns(contract: Contract, inputs: tuple[str, ...]) -> tuple[Column, ...]:
    """The contract's columns of these signals."""
    columns = {column.name: column for column in contract.signals}
    return tuple(columns[name] for name in inputs)
