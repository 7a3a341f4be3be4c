"""`salus bench policy` judges what was measured: dear ensembles and dear signals are missed."""

from dataclasses import replace

import pytest

pytest.importorskip("lerobot")

from salus.bench.policy import table
from salus_collector.policy.smolvla.measure import PolicyCost

COST = PolicyCost(
    configuration="small",
    weights="random",
    parameters=0.5,
    members=5,
    noises=4,
    device="cpu",
    dtype="float32",
    threads=1,
    ensemble=0.019,
    one_member=0.010,
    loop=0.100,
    one_lerobot=0.020,
    prefix=0.004,
    signals=0.001,
    step_p50=0.009,
    step_p99=0.025,
    step_mean=0.010,
    ensemble_ratio=1.9,
    loop_ratio=5.0,
    signals_share=0.05,
    weights_mb=4.5,
    whole_mb=9.5,
    resident_mb=900.0,
)


def test_targets_are_judged_against_the_alternative_of_the_same_run() -> None:
    assert table(COST).exit_status == 0
    assert table(replace(COST, ensemble=0.021)).exit_status == 1
    assert table(replace(COST, signals=0.0021)).exit_status == 1
    assert table(replace(COST, loop=0.050)).exit_status == 0  # an alternative has no target


def test_the_table_says_what_was_measured() -> None:
    result = table(replace(COST, configuration="450m"))
    assert result.facts["configuration"] == "450m"
    assert result.facts["weights"] == "random"
    ratios = {(row.what, row.against): row.ratio for row in result.rows}
    assert ratios["5 whole policies, looped", "one"] == pytest.approx(5.0)
    assert {row.unit for row in result.rows} == {"ms", "MB"}
