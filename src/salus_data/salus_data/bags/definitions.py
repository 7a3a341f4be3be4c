"""Message types for the library rosbags: those of ROS 2 Jazzy, ours, and those inside a bag."""

from collections.abc import Iterable
from pathlib import Path

from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from salus_data.errors import FormatError


def typestore_with(folder: Path, package: str = "salus_msgs") -> Typestore:
    """The types of ROS 2 Jazzy and those of `folder/*.msg`.

    Raises:
        FormatError: there is no message file, or one cannot be parsed.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    files = sorted(folder.glob("*.msg"))
    if not files:
        raise FormatError(f"{folder}: no .msg file of {package} in it")
    types = {}
    for path in files:
        try:
            types |= get_types_from_msg(
                path.read_text(encoding="utf-8"), f"{package}/msg/{path.stem}"
            )
        except Exception as error:  # noqa: BLE001 - the parser raises types of its own and others
            raise FormatError(f"{path}: cannot be parsed: {error}") from error
    store.register(types)
    return store


def typestore_of(connections: Iterable[Connection]) -> tuple[Typestore, list[str]]:
    """The types that a bag brings with it, beside those of ROS 2 Jazzy.

    Returns:
        The types, and one line for each type whose definition is missing or cannot be parsed.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    problems = []
    for connection in connections:
        if connection.msgtype in store.fielddefs:
            continue
        try:
            store.register(_types(connection))
        except Exception as error:  # noqa: BLE001 - as above: whatever a damaged text provokes
            problems.append(f"{connection.msgtype}: its definition cannot be parsed: {error}")
            continue
        if connection.msgtype not in store.fielddefs:
            problems.append(f"{connection.msgtype}: the bag does not hold its definition")
    return store, problems


def _types(connection: Connection) -> dict[str, object]:
    text = connection.msgdef.data
    if connection.msgdef.format is MessageDefinitionFormat.IDL:
        return dict(get_types_from_idl(text))
    if connection.msgdef.format is MessageDefinitionFormat.MSG:
        return dict(get_types_from_msg(text, connection.msgtype))
    return {}
