"""Message types for the library rosbags: those of ROS 2 Jazzy, ours, and those inside a bag."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

if TYPE_CHECKING:
    from rosbags.interfaces.typing import Typesdict

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
    types: Typesdict = {}
    for path in files:
        try:
            types |= get_types_from_msg(
                path.read_text(encoding="utf-8"), f"{package}/msg/{path.stem}"
            )
        except Exception as error:
            raise FormatError(f"{path}: cannot be parsed: {error}") from error
    store.register(types)
    return store


class BagTypes:
    """The types of ROS 2 Jazzy and those that a bag brings with it; each is parsed when needed."""

    def __init__(self, connections: Iterable[Connection]) -> None:
        self.store = get_typestore(Stores.ROS2_JAZZY)
        self._connections = {c.msgtype: c for c in reversed(list(connections))}

    def learn(self, bag_name: str) -> str:
        """Make sure that a type of the bag is known; returns its name in `store`.

        Raises:
            FormatError: its definition is not in the bag or cannot be parsed.
        """
        name = _library_name(bag_name)
        if name in self.store.fielddefs:
            return name
        try:
            self.store.register(_types(self._connections[bag_name]))
        except Exception as error:
            raise FormatError(f"the definition of {bag_name} cannot be parsed: {error}") from error
        if name not in self.store.fielddefs:
            raise FormatError(f"the bag does not hold the definition of {bag_name}")
        return name


def _library_name(name: str) -> str:
    """A service's event, `pkg/srv/NAME_Event`, is called `pkg/srv/msg/NAME_Event` there."""
    folder, _, short = name.rpartition("/")
    return name if folder.endswith("/msg") else f"{folder}/msg/{short}"


def _types(connection: Connection) -> "Typesdict":
    text = connection.msgdef.data
    if connection.msgdef.format is MessageDefinitionFormat.IDL:
        return get_types_from_idl(text)
    if connection.msgdef.format is MessageDefinitionFormat.MSG:
        return get_types_from_msg(text, connection.msgtype)
    return {}
