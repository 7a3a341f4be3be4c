"""The plan of an episode follows from root seed and index, whatever else happens."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus_collector.plan import plan_episode
from salus_collector.sim.disturbance_config import NO_DISTURBANCES, load_mix

MIX = load_mix(Path(__file__).parents[3] / "config" / "disturbances.yaml")

seeds = st.integers(0, 2**40)
indices = st.integers(0, 999_999)


@given(seeds, st.lists(indices, min_size=1, max_size=8, unique=True), st.randoms())
@settings(max_examples=30, deadline=None)
def test_a_plan_does_not_depend_on_the_order_or_on_other_plans(
    root: int, some: list[int], shuffler: random.Random
) -> None:
    forward = {index: plan_episode(root, index, MIX) for index in some}
    shuffled = shuffler.sample(some, len(some))
    assert {index: plan_episode(root, index, MIX) for index in shuffled} == forward


@given(seeds, indices)
@settings(max_examples=30, deadline=None)
def test_the_seed_is_kept_by_json_and_not_moved_by_the_mix(root: int, index: int) -> None:
    plan = plan_episode(root, index, MIX)
    assert 0 <= plan.seed < 2**53
    assert plan_episode(root, index, NO_DISTURBANCES).seed == plan.seed
    assert plan.id == f"{root}-{index:06d}"


def test_plans_differ_between_indices_and_root_seeds() -> None:
    plans = [plan_episode(root, index, MIX) for root in range(3) for index in range(300)]
    assert len({plan.seed for plan in plans}) == len(plans)
    assert len({plan.id for plan in plans}) == len(plans)


def test_known_plan_stays_the_same_between_versions() -> None:
    assert plan_episode(7, 3, NO_DISTURBANCES).seed == 6835390420919909


def test_the_plan_is_marked_abrupt_where_one_of_its_families_is() -> None:
    abrupt = {member.name for member in MIX.families if member.abrupt}
    plans = [plan_episode(1, index, MIX) for index in range(400)]
    assert {plan.abrupt for plan in plans} == {True, False}
    for plan in plans:
        assert plan.abrupt == bool(abrupt & set(plan.disturbance))


@pytest.mark.parametrize(("root", "index"), [(-1, 0), (0, -1)])
def test_negative_numbers_are_refused(root: int, index: int) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        plan_episode(root, index, MIX)
