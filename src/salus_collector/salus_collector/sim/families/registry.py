"""Families by name: those of this package, and those that other packages register."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Final

from salus_collector.sim.families.actuation import FadingGrip, Freezes, GripperGlitch, SlowDown
from salus_collector.sim.families.base import Family
from salus_collector.sim.families.cameras import CameraChange, CameraSlip
from salus_collector.sim.families.composite import Composite
from salus_collector.sim.families.contact import ExternalPush
from salus_collector.sim.families.perception import LowTransit, PerceptionOffset, SensorNoise
from salus_collector.sim.families.scene import Friction, Mass, Obstacle
from salus_data.errors import FormatError, UnknownNameError

ENTRY_POINTS: Final = "salus.disturbances"
"""The entry point group in which a package registers a subclass of Family under its name."""

BUILT_IN: Final[tuple[type[Family], ...]] = (
    PerceptionOffset,
    SensorNoise,
    FadingGrip,
    Obstacle,
    LowTransit,
    SlowDown,
    Freezes,
    Mass,
    Friction,
    CameraChange,
    CameraSlip,
    ExternalPush,
    GripperGlitch,
)


@cache
def families() -> Mapping[str, type[Family]]:
    """Every family by name, the built-in ones first.

    Raises:
        FormatError: an entry point is no Family, or takes a name that is taken.
    """
    known: dict[str, type[Family]] = {family.name: family for family in BUILT_IN}
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda e: e.name):
        loaded = entry.load()
        if not (isinstance(loaded, type) and issubclass(loaded, Family)):
            raise FormatError(f"entry point {entry.name} = {entry.value} is no subclass of Family")
        if loaded.name != entry.name or entry.name in known:
            raise FormatError(
                f"entry point {entry.name} = {entry.value} registers the family {loaded.name!r}; "
                f"the names must agree and be new, taken are {', '.join(known)}"
            )
        known[entry.name] = loaded
    return MappingProxyType(known)


def family_named(name: str) -> type[Family]:
    """The family of that name.

    Raises:
        UnknownNameError: there is none; the message lists those there are.
    """
    known = families()
    if name not in known:
        raise UnknownNameError("disturbance family", name, known)
    return known[name]


def build_disturbance(description: Mapping[str, Mapping[str, float]]) -> Composite | None:
    """The disturbance that a record or a plan describes; None where it is empty.

    Args:
        description: {family: {parameter: value}}, as in `EpisodeRecord.disturbance`.

    Raises:
        UnknownNameError: there is no such family.
        FormatError: a parameter is missing, unknown or outside its limits.
    """
    if not description:
        return None
    return Composite(
        {name: family_named(name)(values) for name, values in sorted(description.items())}
    )
