"""The mix of disturbances: what is drawn from it, and what is refused and how."""

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from salus_collector.sim.disturbance_config import (
    NO_DISTURBANCES,
    Severity,
    load_mix,
    mix_from_data,
    single_family_mix,
)
from salus_collector.sim.families.registry import families, family_named
from salus_data.errors import FormatError, SalusError, UnknownNameError

SHIPPED = Path(__file__).parents[3] / "config" / "disturbances.yaml"
MIX = load_mix(SHIPPED)


def small_mix() -> dict[str, Any]:
    """A valid mix of one family, to be broken."""
    return {
        "schema_version": 1,
        "families_per_episode": {0: 0.5, 1: 0.5},
        "families": {
            "slow_down": {
                "weight": 1.0,
                "abrupt": False,
                "severity": {"alpha": 1.0, "beta": 1.0, "low": 0.0, "high": 1.0},
                "parameters": {"factor": [0.2, 0.4]},
            }
        },
    }


def test_the_shipped_mix_covers_every_family_with_its_default_ranges() -> None:
    assert [member.name for member in MIX.families] == list(families())
    for member in MIX.families:
        family = family_named(member.name)
        assert member.abrupt == family.abrupt
        for parameter in family.parameters:
            assert dict(member.ranges)[parameter.name] == pytest.approx(parameter.default, abs=1e-3)


@given(st.sampled_from(sorted(families())), st.floats(0, 1), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_severity_moves_every_parameter_from_neutral_towards_its_full_draw(
    name: str, severity: float, seed: int
) -> None:
    def draw(value: float) -> dict[str, float]:
        mix = single_family_mix(name, Severity(low=value, high=value))
        return mix.draw(np.random.default_rng(seed))[name]

    none, some, full = draw(0.0), draw(severity), draw(1.0)
    assert some["severity"] == severity
    for parameter in family_named(name).parameters:
        low, high = sorted((none[parameter.name], full[parameter.name]))
        assert low - 1e-12 <= some[parameter.name] <= high + 1e-12
        assert parameter.limits[0] <= some[parameter.name] <= parameter.limits[1]
        if parameter.neutral is not None:
            assert none[parameter.name] == parameter.neutral


def test_draws_follow_the_probabilities_and_never_take_a_family_twice() -> None:
    random = np.random.default_rng(0)
    drawn = [MIX.draw(random) for _ in range(3000)]
    counts = Counter(len(disturbance) for disturbance in drawn)
    for count, probability in enumerate(MIX.count_probabilities):
        assert counts[count] / len(drawn) == pytest.approx(probability, abs=0.03)
    alone = Counter(next(iter(d)) for d in drawn if len(d) == 1)
    for member in MIX.families:
        assert alone[member.name] / alone.total() == pytest.approx(member.weight, abs=0.03)


def test_none_and_a_family_alone_are_mixes() -> None:
    random = np.random.default_rng(0)
    assert load_mix("none") == NO_DISTURBANCES
    assert load_mix("none").draw(random) == {}
    for name in families():
        assert list(load_mix(name).draw(random)) == [name]


def test_the_digest_follows_the_content() -> None:
    changed = small_mix()
    changed["families"]["slow_down"]["parameters"]["factor"] = [0.2, 0.5]
    same, other = mix_from_data(small_mix(), "mix"), mix_from_data(changed, "mix")
    assert same.digest() == mix_from_data(small_mix(), "elsewhere").digest() != other.digest()


BROKEN = [
    (("families_per_episode", 0), 0.4, ["families_per_episode", "0.9", "sum to 1"]),
    (("families_per_episode", 0), "half", ["families_per_episode.0", "'half'", "number"]),
    (("families_per_episode", 2), 0.5, ["families_per_episode", "from 0 to 1"]),
    (("families_per_episode",), [], ["families_per_episode", "[]", "mapping"]),
    (("schema_version",), 9, ["schema_version", "9", "1"]),
    (("colour",), "red", ["colour", "schema_version", "families_per_episode"]),
    (("families", "slow_dwon"), {}, ["families.slow_dwon", "slow_down", "fading_grip"]),
    (("families", "slow_down", "weight"), -0.5, ["slow_down.weight", "-0.5", "from 0 to 1"]),
    (("families", "slow_down", "weight"), 0.7, ["weights of slow_down", "0.7", "sum to 1"]),
    (("families", "slow_down", "weight"), float("nan"), ["slow_down.weight", "nan", "from 0 to 1"]),
    (("families", "slow_down", "abrupt"), "no", ["slow_down.abrupt", "'no'", "true or false"]),
    (("families", "slow_down", "severity"), 0.5, ["slow_down.severity", "0.5", "alpha"]),
    (("families", "slow_down", "severity", "alpha"), 0, ["severity.alpha", "0"]),
    (("families", "slow_down", "severity", "low"), 2, ["severity.low", "2", "from 0 to 1"]),
    (("families", "slow_down", "severity", "gamma"), 1, ["gamma", "alpha, beta, low, high"]),
    (("families", "slow_down", "parameters", "speed"), [0, 1], ["speed", "factor"]),
    (("families", "slow_down", "parameters"), {}, ["parameters", "factor", "missing"]),
    (("families", "slow_down", "parameters", "factor"), [0.4, 0.2], ["factor", "lower number"]),
    (("families", "slow_down", "parameters", "factor"), [0.2, 7], ["factor", "7", "0.01 to 1"]),
    (("families", "slow_down", "parameters", "factor"), 0.2, ["factor", "0.2", "[low, high]"]),
    (("families", "slow_down", "parameters", "factor"), [True, 1], ["factor", "True", "number"]),
]


@pytest.mark.parametrize(("path", "value", "words"), BROKEN)
def test_a_broken_field_is_refused_by_file_field_value_and_alternatives(
    tmp_path: Path, path: tuple[Any, ...], value: object, words: list[str]
) -> None:
    data = copy.deepcopy(small_mix())
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file = tmp_path / "mix.yaml"
    file.write_text(yaml.safe_dump(data))
    with pytest.raises(FormatError) as caught:
        load_mix(file)
    message = str(caught.value)
    for word in [str(file), *words]:
        assert word in message
    assert "\n" not in message


def test_an_episode_cannot_have_more_families_than_have_a_weight() -> None:
    data = small_mix()
    data["families"]["mass"] = copy.deepcopy(data["families"]["slow_down"]) | {
        "weight": 0.0,
        "parameters": {"factor": [1.0, 2.0]},
    }
    assert len(mix_from_data(data, "mix").families) == 2
    data["families_per_episode"] = {1: 0.5, 2: 0.5}
    with pytest.raises(FormatError, match="from 0 to 1"):
        mix_from_data(data, "mix")


def test_a_file_that_is_no_yaml_and_a_name_that_is_nothing_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "mix.yaml"
    file.write_text("families: [")
    with pytest.raises(FormatError, match=str(file)):
        load_mix(file)
    with pytest.raises(UnknownNameError, match="fading_grip") as caught:
        load_mix("grip_fading")
    assert isinstance(caught.value, SalusError)
    assert "none" in str(caught.value)
