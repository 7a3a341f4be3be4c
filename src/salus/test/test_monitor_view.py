"""The live view: what is shown of what was heard."""

import io
import json
import math

from rich.console import Console

from salus.monitoring.heard import Heard, Rates
from salus.monitoring.screen import bar, screen


def shown(heard: Heard) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(screen(heard))
    return console.file.getvalue()  # type: ignore[attr-defined]


def picture() -> Heard:
    return Heard(
        episode="0-000003",
        step=41,
        failure_types=("collision", "drop"),
        horizons=(0.5, 1.0),
        probability=((0.1, 0.2), (0.85, math.nan)),
        levels=((1, 1), (3, 0)),
        state=1,
        would_be=3,
        mode=2,
        reason="collision 0.85 within 1.00 s (r)",
        warnings={0: "collision in 0.40 s (ee_speed)"},
        diagnostics={"salus/sim_node": (2, "unstable")},
    )


def test_risk_state_and_reason_are_on_the_screen() -> None:
    text = shown(picture())
    for part in (
        "0-000003",
        "step 41",
        "NORMAL",
        "would be HOLDING",
        "shadow",
        "0.85",
        "ee_speed",
        "unstable",
    ):
        assert part in text


def test_before_anything_is_heard_it_says_so() -> None:
    assert "does predictor_node run?" in shown(Heard())


def test_a_bar_grows_with_the_probability_and_a_nan_is_none() -> None:
    lengths = [bar(p).count("█") for p in (0.0, 0.3, 0.6, 1.0)]
    assert lengths == sorted(set(lengths))
    assert "█" not in bar(math.nan)


def test_json_has_null_where_nothing_is_known() -> None:
    data = json.loads(json.dumps(picture().to_json(), allow_nan=False))
    assert data["risk"]["drop"]["1.000"] is None
    assert (data["state"], data["would_be"]) == ("NORMAL", "HOLDING")


def test_rates_forget_what_is_old() -> None:
    now = [0.0]
    rates = Rates(clock=lambda: now[0])
    for _ in range(10):
        rates.count("actions")
    assert rates.per_second() == {"actions": 5.0}
    now[0] = 3.0
    assert rates.per_second() == {"actions": 0.0}
