"""One typed schema a node: a frozen dataclass whose fields become described ROS parameters."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from salus_data.errors import SalusError

_SCHEMA = "salus_parameter"


class ParameterError(SalusError, ValueError):
    """Raised when a parameter of a node has the wrong type, range or choice."""


@dataclass(frozen=True)
class Schema:
    """What a parameter means: unit, closed range, choices."""

    description: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


def parameter(
    default: Any,
    description: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of a parameter schema; parameters are read once, at the start of the node."""
    schema = Schema(description, unit, low, high, choices)
    metadata = {_SCHEMA: schema}
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def declare[Parameters](node: Node, schema: type[Parameters]) -> Parameters:
    """Declare every field of the dataclass on the node and return the values it was started with.

    Raises:
        ParameterError: names the node, the parameter, its value and what it may be.
    """
    values: dict[str, Any] = {}
    for field in dataclasses.fields(schema):  # type: ignore[arg-type]
        meta: Schema = field.metadata[_SCHEMA]
        default = (
            field.default_factory()
            if field.default_factory is not dataclasses.MISSING
            else field.default
        )
        try:
            value = node.declare_parameter(field.name, default, _descriptor(meta, default)).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise ParameterError(
                f"{node.get_name()}: parameter {field.name}: {error}; {_allowed(meta, default)}"
            ) from error
        if meta.choices and value not in meta.choices:
            raise ParameterError(
                f"{node.get_name()}: parameter {field.name} is {value!r}; {_allowed(meta, default)}"
            )
        values[field.name] = value
    return schema(**values)


def _allowed(meta: Schema, default: Any) -> str:
    text = f"it takes a {type(default).__name__}"
    if meta.choices:
        text += f", one of {', '.join(meta.choices)}"
    if meta.low is not None or meta.high is not None:
        text += f" from {meta.low} to {meta.high}"
    return text + (f" [{meta.unit}]" if meta.unit else "")


def _descriptor(meta: Schema, default: Any) -> ParameterDescriptor:
    unit = f" [{meta.unit}]" if meta.unit else ""
    descriptor = ParameterDescriptor(
        description=meta.description + unit,
        additional_constraints=f"one of: {', '.join(meta.choices)}" if meta.choices else "",
        read_only=True,
    )
    if meta.low is not None and meta.high is not None:
        if isinstance(default, int):
            descriptor.integer_range = [
                IntegerRange(from_value=int(meta.low), to_value=int(meta.high))
            ]
        else:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(meta.low), to_value=float(meta.high))
            ]
    return descriptor
