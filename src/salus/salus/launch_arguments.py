"""Arguments of launch files are text; these read them and refuse what cannot be meant."""

from collections.abc import Callable, Mapping

from salus_data.errors import FormatError

_FLAGS = {"true": True, "false": False}


def whole(given: Mapping[str, str], name: str) -> int:
    """A whole number.

    Raises:
        FormatError: it is none.
    """
    return _read(given, name, int, "a whole number")


def number(given: Mapping[str, str], name: str) -> float:
    """A number.

    Raises:
        FormatError: it is none.
    """
    return _read(given, name, float, "a number")


def flag(given: Mapping[str, str], name: str) -> bool:
    """Whether something is on.

    Raises:
        FormatError: it is neither true nor false; `yes` would else be taken for false.
    """
    value = given[name].lower()
    if value not in _FLAGS:
        raise FormatError(f"{name}:={given[name]}: give true or false")
    return _FLAGS[value]


def _read[T](given: Mapping[str, str], name: str, kind: Callable[[str], T], what: str) -> T:
    try:
        return kind(given[name])
    except ValueError:
        raise FormatError(f"{name}:={given[name]}: give {what}") from None
