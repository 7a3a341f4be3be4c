"""Environments by name: ours, and those that installed packages register.

A package registers one in its metadata, in the entry point group `salus.environments`: the name,
and a callable that takes settings as keyword arguments and returns a Gymnasium environment; what
it must have below its wrappers is `salus_collector.sim.interface.Simulation`.
"""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from salus_collector.sim.interface import Environment
from salus_data.errors import UnknownNameError

GROUP: Final = "salus.environments"
DEFAULT: Final = "panda_pick_place"

# Works without an installation too, as from a source tree on the Python path.
_OWN: Final = (EntryPoint(DEFAULT, "salus_collector.sim.environment:PandaPickPlace", GROUP),)


def environment_names() -> tuple[str, ...]:
    """The names of every environment that is known here, sorted."""
    return tuple(sorted(_found()))


def make_environment(name: str = DEFAULT, **settings: Any) -> Environment:
    """Make the environment of that name.

    Args:
        name: one of `environment_names()`.
        settings: its keyword arguments; for ours the fields of `SimulationConfig`.

    Raises:
        UnknownNameError: there is none of that name.
    """
    found = _found()
    if name not in found:
        raise UnknownNameError("environment", name, sorted(found))
    make: Callable[..., Environment] = found[name].load()
    return make(**settings)


def _found() -> dict[str, EntryPoint]:
    """Every registered environment; our own names cannot be taken by another package."""
    return {point.name: point for point in (*entry_points(group=GROUP), *_OWN)}
