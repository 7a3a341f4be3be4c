"""The scripted expert picks and places from what it observes, and from nothing else."""

from typing import Any

import numpy as np
import pytest

from salus_collector.outcomes import expert_success, main, tabulate
from salus_collector.plan import EpisodePlan
from salus_collector.policy.base import EpisodeStart, Policy
from salus_collector.policy.expert import Expert, Phase
from salus_collector.rollout import RolloutStep, rollout
from salus_collector.sim.environment import PandaPickPlace
from salus_data.action_space import DELTA_EE
from salus_data.episode import EpisodeRecord
from salus_data.layout import EE_POSITION, EE_QUATERNION, PERCEIVED, STATE, object_slice
from salus_data.types import NO_FAILURE, Outcome

START = EpisodeStart(seed=5, task="", step_period=1 / 30)


@pytest.fixture(scope="module")
def environment() -> PandaPickPlace:
    return PandaPickPlace(image_size=0)


def plan(seed: int, disturbance: dict[str, dict[str, float]] | None = None) -> EpisodePlan:
    return EpisodePlan(f"0-{seed:06d}", seed, seed, disturbance or {}, abrupt=False)


def run(
    environment: PandaPickPlace, episode: EpisodePlan
) -> tuple[EpisodeRecord, list[RolloutStep], list[Phase]]:
    policy, steps, phases = Expert(), [], []

    def keep(step: RolloutStep) -> None:
        steps.append(step)
        phases.append(policy.phase)

    return rollout(environment, policy, episode, on_step=keep), steps, phases


def observation(
    gripper: tuple[float, float, float], cube: tuple[float, float, float] = (0.45, -0.2, 0.02)
) -> dict[str, Any]:
    """A scene with a cube, a bin and an obstacle 0.12 m tall, the gripper pointing down."""
    state, perceived = np.zeros(len(STATE)), np.zeros(len(PERCEIVED))
    state[EE_POSITION], state[EE_QUATERNION] = gripper, (1, 0, 0, 0)
    perceived[object_slice("object")] = (*cube, 0, 0, 0, 1, 0.04, 0.04, 0.04)
    perceived[object_slice("obstacle")] = (0.47, 0.03, 0.06, 0, 0, 0, 1, 0.06, 0.06, 0.12)
    perceived[object_slice("bin")] = (0.5, 0.22, 0, 0, 0, 0, 1, 0.16, 0.16, 0.06)
    return {"state": state, "perceived": perceived}


def test_it_succeeds_undisturbed() -> None:
    result = expert_success(20, root_seed=900)
    assert result["successes"] >= 19, result
    assert result["success_rate"] == result["successes"] / 20
    assert sum(result["ends"].values()) == 20
    assert len(result["failed"]) == 20 - result["successes"]


def test_it_is_a_policy() -> None:
    policy: Policy = Expert()
    assert policy.action_space is DELTA_EE
    decision = policy.act(observation((0.4, 0.0, 0.4)))
    assert decision.action.shape == (7,)
    assert decision.chunk is None
    assert len(decision.signals) == len(policy.signals) == 0


def test_the_phases_follow_one_another_and_the_arm_waits_out_the_idle_time(
    environment: PandaPickPlace,
) -> None:
    record, steps, phases = run(environment, plan(3))
    assert record.outcome is Outcome.SUCCESS
    assert record.failure_type == NO_FAILURE
    assert record.confirm_step == len(steps)
    assert record.idle_steps > 0
    assert all(not step.action[:6].any() for step in steps[: record.idle_steps])
    assert steps[record.idle_steps].action[:6].any()
    moving = phases[record.idle_steps :]
    assert moving == sorted(moving)
    assert set(moving) >= set(Phase) - {Phase.RETREAT}
    assert [name for name, _ in record.milestones] == ["reach", "grasp", "lift", "carry"]


def test_the_same_seed_gives_the_same_episode_after_any_other(environment: PandaPickPlace) -> None:
    first = run(environment, plan(3))
    run(environment, plan(4))
    again = run(environment, plan(3))
    assert first[0] == again[0]
    assert [s.action.tobytes() for s in first[1]] == [s.action.tobytes() for s in again[1]]


def test_the_record_survives_json(environment: PandaPickPlace) -> None:
    disturbance = {"low_transit": {"severity": 0.5, "missing_height": 0.05, "sight": 0.0}}
    record, _, _ = run(environment, plan(3, disturbance))
    assert EpisodeRecord.from_json(record.to_json()).to_json() == record.to_json()
    assert record.disturbance == disturbance


def test_it_works_where_the_obstacle_is_unseen(environment: PandaPickPlace) -> None:
    record, steps, _ = run(environment, plan(3, {"obstacle": {"height": 0.02, "sight": 0.0}}))
    assert all(np.isnan(s.observation["perceived"][object_slice("obstacle")]).all() for s in steps)
    assert record.outcome is Outcome.SUCCESS


def test_it_reads_nothing_but_what_it_observes() -> None:
    policy = Expert()
    first, second = [], []
    for actions in (first, second):
        policy.reset(START)
        actions += [policy.act(observation((0.4, 0, 0.4 - k * 0.01))).action for k in range(20)]
    assert np.array_equal(first, second)


def test_it_holds_until_it_has_seen_the_object() -> None:
    policy = Expert()
    policy.reset(START)
    unseen = observation((0.4, 0.0, 0.3))
    unseen["perceived"][object_slice("object")] = np.nan
    assert policy.act(unseen).action.tolist() == [0, 0, 0, 0, 0, 0, 1]
    assert policy.act(observation((0.4, 0.0, 0.3))).action[:3].any()
    # Once seen, it is remembered.
    assert policy.act(unseen).action[:3].any()


def test_it_goes_up_again_where_the_object_moved_away_under_it() -> None:
    policy = Expert()
    policy.reset(START)
    for _ in range(3):
        policy.act(observation((0.45, -0.2, 0.126)))
    for _ in range(5):
        policy.act(observation((0.45, -0.2, 0.08)))
    assert policy.phase is Phase.DESCEND
    for _ in range(12):
        decision = policy.act(observation((0.45, -0.2, 0.08), cube=(0.40, -0.2, 0.02)))
    assert policy.phase is Phase.ABOVE
    assert decision.action[0] < 0 < decision.action[2]
    assert decision.action[6] == 1


@pytest.mark.parametrize("height", [0.12, 0.2])
def test_it_carries_over_the_obstacle_that_it_perceives(height: float) -> None:
    policy = Expert()
    policy.reset(START)

    def seen(gripper: tuple[float, float, float]) -> dict[str, Any]:
        scene = observation(gripper)
        scene["perceived"][object_slice("obstacle")][[2, 9]] = height / 2, height
        return scene

    position = np.array([0.45, -0.2, 0.126])
    heights = []
    for _ in range(150):
        action = policy.act(seen((position[0], position[1], position[2]))).action
        position = position + action[:3]
        if policy.phase is Phase.TRANSIT and position[1] > -0.1:
            heights.append(position[2])
    assert policy.phase is Phase.RETREAT
    # The cube hangs some 3 cm below the point between the fingertips.
    assert min(heights) > height + 0.055


def test_ends_are_counted_by_family(environment: PandaPickPlace) -> None:
    records = [
        run(environment, plan(3))[0],
        run(environment, plan(3, {"mass": {"factor": 1.0}}))[0],
    ]
    table = tabulate(records)
    assert table.total == {"success": 2}
    assert table.by_family == {"none": {"success": 1}, "mass": {"success": 1}}
    assert table.disturbed == 1
    assert "success" in table.text()


def test_the_command_line_prints_the_table_and_refuses_what_is_unknown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--episodes", "2", "--disturbances", "camera_change", "--seed", "3"]) == 0
    assert "camera_change" in capsys.readouterr().out
    assert main(["--disturbances", "gremlins"]) == 2
    assert "fading_grip" in capsys.readouterr().err
