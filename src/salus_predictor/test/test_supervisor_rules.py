"""Rules: thresholds, debounce, hysteresis, cooldown, budget, and files that are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus_data.errors import ContractMismatchError, FormatError
from salus_data.types import FAILURE_TYPES
from salus_predictor.supervisor.config import load_config, parse_config
from salus_predictor.supervisor.intervention import Demand, Intervention, most_severe
from salus_predictor.supervisor.risk import Risk, RiskLevel
from salus_predictor.supervisor.rules import RuleBook

PERIOD = 0.1
HORIZONS = np.array([0.5, 1.0])


def risk(level: RiskLevel = RiskLevel.NORMAL, kind: str = "collision", p: float = 0.1) -> Risk:
    """The level and the probability of one failure at every horizon; nothing else is expected."""
    levels = np.full((2, 4), RiskLevel.NORMAL, np.uint8)
    probability = np.full((2, 4), 0.01)
    levels[:, FAILURE_TYPES.index(kind)] = level
    probability[:, FAILURE_TYPES.index(kind)] = p
    return Risk(0, HORIZONS, FAILURE_TYPES, probability, levels)


def book(*rules: dict[str, Any], **settings: Any) -> RuleBook:
    defaults = {"name": "r", "type": "collision", "within": 0.6, "do": "hold", "cooldown": 0.0}
    data = settings | {"rules": [defaults | rule for rule in rules]}
    return RuleBook(parse_config(data, "test"), PERIOD)


def run(rules: RuleBook, levels: str) -> str:
    """One letter a step: N, E or A in; `.` or the first letter of what is demanded out."""
    names = {"N": RiskLevel.NORMAL, "E": RiskLevel.ELEVATED, "A": RiskLevel.ALARM}
    out = ""
    for letter in levels:
        demand = most_severe(rules.step(None if letter == "?" else risk(names[letter])))
        out += demand.intervention.name[0] if demand else "."
    return out


QUICK = {"min_time": 0.0, "max_time": 9.0}


@pytest.mark.parametrize(
    ("rule", "levels", "expected"),
    [
        (QUICK, "NEAAN", "..HH."),
        (QUICK | {"level": "elevated"}, "NEAAN", ".HHH."),
        (QUICK | {"debounce": 0.2}, "AANAAAAN", ".....HH."),
        (QUICK | {"clear_below": "elevated"}, "AEEAEN", "HHHHH."),
        ({"min_time": 0.3, "max_time": 9.0}, "ANNNN", "HHH.."),
        ({"min_time": 0.0, "max_time": 0.2, "cooldown": 0.3}, "AAAAAAAAA", "HH...HH.."),
        ({"min_time": 0.1, "max_time": 9.0}, "NA??A", ".HHHH"),
        ({"min_time": 0.0, "max_time": 0.3}, "A????", "HHH.."),
        (QUICK, "??A", "..H"),
    ],
)
def test_when_a_rule_asks(rule: dict[str, Any], levels: str, expected: str) -> None:
    assert run(book(rule), levels) == expected


def test_a_probability_can_be_asked_for() -> None:
    rules = book(QUICK | {"level": 0.8, "clear_below": 0.5})
    asked = [bool(rules.step(risk(p=p))) for p in (0.7, 0.81, 0.6, 0.49, 0.7)]
    assert asked == [False, True, True, False, False]


def test_the_horizon_is_the_longest_within() -> None:
    rules = book(QUICK | {"level": 0.5})
    far = risk()
    far.probability[1, 0] = 0.9
    assert not rules.step(far), "0.9 within 1.0 s is not within 0.6 s"
    far.probability[0, 0] = 0.9
    (demand,) = rules.step(far)
    assert demand.reason == "collision 0.90 within 0.50 s (r)"


def test_any_names_the_type_that_is_nearest_its_threshold() -> None:
    (demand,) = book(QUICK | {"type": "any"}).step(risk(RiskLevel.ALARM, "miss", 0.3))
    assert demand.failure_type == FAILURE_TYPES.index("miss")


def test_of_several_the_most_severe_wins_and_of_equals_the_first() -> None:
    demands = [
        Demand(Intervention.SLOW, "a", 1),
        Demand(Intervention.HOLD, "b", 3),
        Demand(Intervention.HOLD, "c", 2),
    ]
    winner = most_severe(demands)
    assert winner is not None
    assert winner.reason == "c"
    assert most_severe([]) is None


@pytest.mark.parametrize(("then", "letter"), [("warn", "W"), ("stop", "S")])
def test_a_spent_budget(then: str, letter: str) -> None:
    rules = book(QUICK, budget={"interventions": 2, "then": then})
    assert run(rules, "ANANANAN") == f"H.H.{letter}.{letter}."
    rules.begin()
    assert run(rules, "AN") == "H."


def test_warnings_cost_no_budget() -> None:
    assert run(book(QUICK | {"do": "warn"}, budget={"interventions": 0}), "AN") == "W."


@given(st.text("NEA?", max_size=60), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_no_rule_asks_longer_than_it_may_nor_during_its_cooldown(
    levels: str, least: int, more: int, pause: int
) -> None:
    longest = max(1, least + more)
    rule = {"min_time": least * PERIOD, "max_time": longest * PERIOD, "cooldown": pause * PERIOD}
    runs = [len(part) for part in run(book(rule), levels).split(".") if part]
    assert all(length <= longest for length in runs)


def test_a_rule_that_the_model_cannot_answer_is_refused() -> None:
    with pytest.raises(ContractMismatchError, match=r"0\.500, 1\.000 s"):
        book({"within": 0.1}).step(risk())
    other = Risk(0, HORIZONS, ("drop",), np.zeros((2, 1)), np.ones((2, 1), np.uint8))
    with pytest.raises(ContractMismatchError, match="the model knows drop"):
        book({}).step(other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [{name: a, type: colision, within: 1, do: hold}]", "known: collision, drop"),
        ("rules: [{name: a, type: drop, within: 1, do: jump}]", "'warn', 'slow'"),
        ("rules: [{name: a, type: drop, within: 1, do: hold, min_time: 3}]", "above max_time"),
        ("rules: [{name: a, type: drop, within: 1, do: hold, levle: alarm}]", "levle"),
        ("slow_factor: 1.5", "slow_factor is 1.5"),
        ("slow_factor: .nan", "slow_factor"),
        ("rules: [", "not YAML"),
        (
            "rules: [{name: a, type: drop, within: 1, do: hold, level: elevated, "
            "clear_below: alarm}]",
            "is above level",
        ),
        (
            "rules: [{name: a, type: drop, within: 1, do: hold}, "
            "{name: a, type: miss, within: 1, do: hold}]",
            "two rules are named 'a'",
        ),
    ],
)
def test_a_file_that_means_nothing_is_refused_in_one_line(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        load_config(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["supervisor.yaml", "supervisor_second_look.yaml"])
def test_the_shipped_rules_can_be_read_at_the_default_horizons(name: str) -> None:
    path = Path(__file__).parents[3] / "config" / name
    config = load_config(path)
    horizons = np.array([5, 10, 15, 20]) / 30
    levels = np.full((4, 4), RiskLevel.ALARM, np.uint8)
    seen = RuleBook(config, 1 / 30)
    asked = [seen.step(Risk(0, horizons, FAILURE_TYPES, np.ones((4, 4)), levels)) for _ in range(5)]
    assert {demand.reason for demands in asked for demand in demands}
    assert len({d.activation for demands in asked for d in demands}) == len(config.rules)
