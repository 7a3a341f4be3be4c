"""The mix of disturbances: which families, how often, how severe (config/disturbances.yaml)."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from salus_collector.sim.families.base import SEVERITY, Family, checked_number
from salus_collector.sim.families.registry import families, family_named
from salus_data.errors import FormatError, UnknownNameError
from salus_data.yaml_file import read_yaml

SCHEMA_VERSION: Final = 1
"""Of the file; a reader refuses any other."""

PROBABILITY: Final = (0.0, 1.0)
POSITIVE: Final = (1e-6, 1e6)


@dataclass(frozen=True)
class Severity:
    """How the severity of a family is drawn, in [0, 1].

    Attributes:
        alpha, beta: of a beta distribution; 1 and 1 are uniform.
        low, high: to which that draw is stretched.
    """

    alpha: float = 1.0
    beta: float = 1.0
    low: float = 0.0
    high: float = 1.0

    def draw(self, random: np.random.Generator) -> float:
        """One severity in [low, high]."""
        return self.low + (self.high - self.low) * float(random.beta(self.alpha, self.beta))


@dataclass(frozen=True)
class FamilyMix:
    """One family in a mix.

    Attributes:
        name: of the family.
        weight: probability of this family among those of the mix.
        abrupt: strikes without a precursor; the record of the episode says so.
        severity: how it is drawn.
        ranges: of each parameter at full severity: (name, (low, high)).
    """

    name: str
    weight: float
    abrupt: bool
    severity: Severity
    ranges: tuple[tuple[str, tuple[float, float]], ...]

    def draw(self, random: np.random.Generator) -> dict[str, float]:
        """The severity and every parameter of one episode."""
        severity = self.severity.draw(random)
        ranges = dict(self.ranges)
        values = {
            parameter.name: parameter.draw(severity, ranges[parameter.name], random)
            for parameter in family_named(self.name).parameters
        }
        return {SEVERITY: severity} | values


@dataclass(frozen=True)
class DisturbanceMix:
    """What disturbs the episodes of a collection.

    Attributes:
        count_probabilities: of 0, 1, 2, ... families in one episode; they sum to 1.
        families: whose weights sum to 1; empty only where every episode has none.
    """

    count_probabilities: tuple[float, ...]
    families: tuple[FamilyMix, ...] = ()

    def draw(self, random: np.random.Generator) -> dict[str, dict[str, float]]:
        """The disturbance of one episode: {family: {parameter: value}}, families by name."""
        count = int(random.choice(len(self.count_probabilities), p=self.count_probabilities))
        if count == 0:
            return {}
        weights = [member.weight for member in self.families]
        chosen = random.choice(len(self.families), size=count, replace=False, p=weights)
        drawn = [self.families[index] for index in sorted(chosen)]
        made = {member.name: dict(sorted(member.draw(random).items())) for member in drawn}
        return dict(sorted(made.items()))

    def is_abrupt(self, disturbance: Iterable[str]) -> bool:
        """Whether one of these families strikes without a precursor."""
        abrupt = {member.name for member in self.families if member.abrupt}
        return not abrupt.isdisjoint(disturbance)

    def digest(self) -> str:
        """SHA-256 of the mix, 16 hexadecimal digits."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


NO_DISTURBANCES: Final = DisturbanceMix((1.0,))
"""The mix `none`."""


def load_mix(what: str | Path) -> DisturbanceMix:
    """The mix that `--disturbances` means: `none`, a family's name, or a file.

    A family alone disturbs every episode, with severities from 0 to 1 alike and its own default
    ranges.

    Raises:
        FormatError: the file is not a mix; the message names file, field, value and alternatives.
        UnknownNameError: it is neither a file nor a name.
    """
    name = str(what)
    if name == "none":
        return NO_DISTURBANCES
    if name in families():
        return single_family_mix(name)
    path = Path(what)
    if not path.is_file():
        raise UnknownNameError(
            "disturbance", name, ("none", *families(), "a YAML file that exists")
        )
    return read_mix(path)


def single_family_mix(name: str, severity: Severity | None = None) -> DisturbanceMix:
    """A mix in which `name` disturbs every episode, by default with any severity alike.

    Raises:
        UnknownNameError: there is no such family.
    """
    family = family_named(name)
    ranges = tuple((p.name, p.default) for p in family.parameters)
    member = FamilyMix(name, 1.0, family.abrupt, severity or Severity(), ranges)
    return DisturbanceMix((0.0, 1.0), (member,))


def read_mix(path: Path) -> DisturbanceMix:
    """Read a mix from a YAML file; docs/DISTURBANCES.md describes the fields.

    Raises:
        FormatError: names the file, the field, the value and the valid alternatives.
    """
    return mix_from_data(read_yaml(path), str(path))


def mix_from_data(data: object, where: str) -> DisturbanceMix:
    """The mix that plain data describes; `where` opens every error message.

    Raises:
        FormatError: names the field, the value and the valid alternatives.
    """
    top = _mapping(data, where, ("schema_version", "families_per_episode", "families"))
    if top["schema_version"] != SCHEMA_VERSION:
        raise FormatError(
            f"{where}: schema_version is {top['schema_version']!r}; this reader knows "
            f"{SCHEMA_VERSION}"
        )
    members = tuple(
        _family_mix(name, entry, f"{where}: families.{name}")
        for name, entry in _mapping(top["families"], f"{where}: families").items()
    )
    counts = _count_probabilities(
        top["families_per_episode"],
        f"{where}: families_per_episode",
        sum(member.weight > 0 for member in members),
    )
    if members:
        _require_sum(
            (m.weight for m in members),
            f"{where}: the weights of {', '.join(m.name for m in members)}",
        )
    return DisturbanceMix(counts, members)


def _family_mix(name: str, entry: object, where: str) -> FamilyMix:
    try:
        family = family_named(name)
    except UnknownNameError as error:
        raise FormatError(f"{where}: {error}") from error
    fields = _mapping(entry, where, ("weight", "abrupt", "severity", "parameters"))
    abrupt = fields["abrupt"]
    if not isinstance(abrupt, bool):
        raise FormatError(f"{where}.abrupt is {abrupt!r}; give true or false")
    severity = _mapping(fields["severity"], f"{where}.severity", ("alpha", "beta", "low", "high"))
    limits = {"alpha": POSITIVE, "beta": POSITIVE, "low": PROBABILITY, "high": PROBABILITY}
    numbers = {
        key: checked_number(severity[key], limit, f"{where}.severity.{key}")
        for key, limit in limits.items()
    }
    if numbers["low"] > numbers["high"]:
        raise FormatError(
            f"{where}.severity.low is {numbers['low']:g}; give at most high, {numbers['high']:g}"
        )
    return FamilyMix(
        name,
        checked_number(fields["weight"], PROBABILITY, f"{where}.weight"),
        abrupt,
        Severity(**numbers),
        _ranges(family, fields["parameters"], f"{where}.parameters"),
    )


def _ranges(
    family: type[Family], data: object, where: str
) -> tuple[tuple[str, tuple[float, float]], ...]:
    given = _mapping(data, where, tuple(p.name for p in family.parameters))
    ranges = []
    for parameter in family.parameters:
        pair, field = given[parameter.name], f"{where}.{parameter.name}"
        if not isinstance(pair, list) or len(pair) != 2:
            raise FormatError(f"{field} is {pair!r}; give [low, high] in {parameter.unit}")
        low, high = (checked_number(value, parameter.limits, field) for value in pair)
        if low > high:
            raise FormatError(f"{field} is {pair!r}; give the lower number first")
        ranges.append((parameter.name, (low, high)))
    return tuple(ranges)


def _count_probabilities(data: object, where: str, members: int) -> tuple[float, ...]:
    given = _mapping(data, where)
    if not given or any(
        isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= members
        for count in given
    ):
        raise FormatError(
            f"{where} has the keys {list(given)}; give numbers of families from 0 to {members}"
        )
    probabilities = [0.0] * (max(given) + 1)
    for count, value in given.items():
        probabilities[count] = checked_number(value, PROBABILITY, f"{where}.{count}")
    _require_sum(probabilities, where)
    return tuple(probabilities)


def _require_sum(values: Iterable[float], where: str) -> None:
    total = sum(values)
    if abs(total - 1) > 1e-6:
        raise FormatError(f"{where} sum to {total:g}; they must sum to 1")


def _mapping(data: object, where: str, keys: tuple[str, ...] | None = None) -> Mapping[Any, Any]:
    """`data` as a mapping with exactly `keys`, or with any where that is None."""
    if not isinstance(data, dict):
        wanted = "a mapping" if keys is None else f"a mapping with {', '.join(keys)}"
        raise FormatError(f"{where} is {data!r}; give {wanted}")
    if keys is not None:
        if unknown := [key for key in data if key not in keys]:
            raise FormatError(f"{where}: unknown fields {unknown}; known: {', '.join(keys)}")
        if missing := [key for key in keys if key not in data]:
            raise FormatError(f"{where}: fields {missing} are missing; give {', '.join(keys)}")
    return data
