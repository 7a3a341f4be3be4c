"""Errors that a user can act on; anything else that is raised is a defect of ours."""

from collections.abc import Iterable


class SalusError(Exception):
    """Base of every error that says what the user can do about it; commands exit with 2 on it."""


def reason(error: BaseException) -> str:
    """What an error of a library says, in one line.

    zarr's advice to read lost chunks as if they were empty is left out.
    """
    lines = [line.strip() for line in str(error).splitlines()]
    said = " ".join(line for line in lines if line and "read_missing_chunks" not in line)
    return said or type(error).__name__


class FormatError(SalusError, ValueError):
    """Raised when a file or a store is not what its name or its schema version promises."""


class ContractMismatchError(SalusError, ValueError):
    """Raised when two parts disagree on step period, action space, signals, types or horizons."""


class UnknownNameError(SalusError, KeyError):
    """Raised when a name is not among those that exist; the message lists them."""

    def __init__(self, kind: str, name: object, known: Iterable[object]) -> None:
        self.kind, self.name, self.known = kind, name, tuple(known)
        super().__init__(kind, name)

    def __str__(self) -> str:
        return f"unknown {self.kind} {self.name!r}; known: {', '.join(str(k) for k in self.known)}"


class ActionError(SalusError, ValueError):
    """Raised when an action has the wrong size, is not finite or belongs to another step."""


class PolicyError(SalusError, ValueError):
    """Raised when a policy cannot be loaded, does not fit the robot, or answers with NaN."""
