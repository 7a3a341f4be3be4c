"""Arguments of launch files are text; these read them and refuse what cannot be meant."""

from collections.abc import Mapping

from salus_data.errors import FormatError

_FLAGS = {"true": True, "false": False}


def whole(given: Mapping[str, str], name: str) -> int:
    """A whole number.

    Raises:
        FormatError: it is none.
    """
    try:
        return int(given[name])
    except ValueError:
        raise FormatError(f"{name}:={given[name]}: give a whole number") from None


def number(given: Mapping[str, str], name: str) -> float:
    """A number.

    Raises:
        FormatError: it is none.
    """
    try:
        return float(given[name])
    except ValueError:
        raise FormatError(f"{name}:={given[name]}: give a number") from None


def flag(given: Mapping[str, str], name: str) -> bool:
    """Whether something is on.

    Raises:
        FormatError: it is neither true nor false; `yes` would else be taken for false.
    """
    value = given[name].lower()
    if value not in _FLAGS:
        raise FormatError(f"{name}:={given[name]}: give true or false")
    return _FLAGS[value]
