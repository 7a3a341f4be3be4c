"""From when on a cause can be seen: rules on made-up episodes, and against the simulation."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from salus_collector.plan import EpisodePlan
from salus_collector.policy.expert import Expert
from salus_collector.rollout import RolloutStep, rollout
from salus_collector.sim.environment import PandaPickPlace
from salus_collector.sim.families.base import Family
from salus_collector.sim.families.registry import BUILT_IN
from salus_collector.sim.families.signs import first_sign, signs
from salus_data.episode import EpisodeRecord
from salus_data.errors import FormatError
from salus_data.layout import PERCEIVED, object_slice
from salus_data.types import FailureType, Outcome

ROWS = 120
OPEN = np.ones(ROWS)
UNSEEN = np.full((ROWS, len(PERCEIVED)), np.nan)
PUSH = {
    "force": 200.0,
    "direction": 0.0,
    "elevation": 0.0,
    "start": 2.0,
    "duration": 0.2,
    "nudge_speed": 1.0,
    "nudge_direction": 0.0,
    "nudge_time": 3.0,
}


def failure(disturbance: dict[str, dict[str, float]], **changes: Any) -> EpisodeRecord:
    """A drop at row 100 after a grasp at row 60; the policy moved from row 10."""
    record = EpisodeRecord(
        id="1-0",
        index=0,
        seed=77,
        disturbance=disturbance,
        outcome=Outcome.FAILURE,
        failure_type=int(FailureType.DROP),
        onset_step=100,
        confirm_step=105,
        idle_steps=10,
        milestones=(("reach", 50), ("grasp", 60), ("grasp", 90)),
    )
    return replace(record, **changes)


def closed_from(row: int) -> np.ndarray:
    return np.where(np.arange(ROWS) < row, 1.0, 0.0)


def seen_from(row: int) -> np.ndarray:
    perceived = UNSEEN.copy()
    perceived[row:, object_slice("obstacle")] = 0.1
    return perceived


def hit(**changes: Any) -> dict[str, Any]:
    return {"failure_type": int(FailureType.COLLISION), "bodies": ("hand", "obstacle")} | changes


@pytest.mark.parametrize("family", BUILT_IN, ids=lambda family: family.name)
def test_every_family_says_from_when_it_shows(family: type[Family]) -> None:
    assert family.sign
    assert family.sign.startswith("from the start") or "first_sign" in vars(family)


@pytest.mark.parametrize(
    ("disturbance", "gripper", "perceived", "changes", "row"),
    [
        # Row 60 is the grasp; less force acts at step 61 and shows at row 62, or 0.5 s later.
        ({"fading_grip": {"rate": 9.0, "delay": 0.0}}, OPEN, UNSEEN, {}, 62),
        ({"fading_grip": {"rate": 9.0, "delay": 0.49}}, OPEN, UNSEEN, {}, 76),
        ({"fading_grip": {"rate": 0.0, "delay": 0.0}}, OPEN, UNSEEN, {}, None),
        ({"fading_grip": {"rate": 9.0, "delay": 0.0}}, OPEN, UNSEEN, {"milestones": ()}, None),
        ({"slow_down": {"factor": 0.2}}, OPEN, UNSEEN, {}, 11),
        ({"external_push": PUSH}, OPEN, UNSEEN, {}, 61),
        ({"external_push": PUSH | {"force": 0.0}}, OPEN, UNSEEN, {}, 91),
        ({"external_push": PUSH | {"start": 3.32}}, OPEN, UNSEEN, {}, 91),
        ({"mass": {"factor": 30.0}}, closed_from(40), UNSEEN, {}, 41),
        ({"friction": {"factor": 0.01}}, closed_from(40), UNSEEN, {}, 41),
        ({"friction": {"factor": 0.01}}, OPEN, UNSEEN, {}, None),
        ({"obstacle": {"height": 0.3, "sight": 0.1}}, OPEN, seen_from(80), hit(), 80),
        ({"obstacle": {"height": 0.3, "sight": 0.0}}, OPEN, UNSEEN, hit(), 100),
        ({"obstacle": {"height": 0.3, "sight": 0.1}}, OPEN, seen_from(80), {}, None),
        ({"obstacle": {"height": 0.0, "sight": 0.1}}, OPEN, seen_from(80), hit(), None),
        ({"gripper_glitch": {"rate": 30.0, "duration": 0.1}}, OPEN, UNSEEN, {}, None),
        ({"gripper_glitch": {"rate": 0.0, "duration": 0.1}}, closed_from(0), UNSEEN, {}, None),
        ({"freezes": {"rate": 0.0, "duration": 0.1}}, OPEN, UNSEEN, {}, None),
    ],
)
def test_the_first_sign_is_where_the_cause_first_shows(
    disturbance: dict[str, dict[str, float]],
    gripper: np.ndarray,
    perceived: np.ndarray,
    changes: dict[str, Any],
    row: int | None,
) -> None:
    (name,) = disturbance
    assert signs(failure(disturbance, **changes), gripper, perceived) == {name: row}


def test_both_the_earliest_and_the_latest_cause_are_told() -> None:
    fading, push = {"rate": 9.0, "delay": 0.0}, PUSH | {"start": 2.5}
    both = {"fading_grip": fading, "external_push": push}
    assert first_sign(failure(both), OPEN, UNSEEN) == (62, 76)
    assert first_sign(failure({"external_push": push}), OPEN, UNSEEN) == (76, 76)
    with_slow = both | {"slow_down": {"factor": 0.5}}
    assert first_sign(failure(with_slow), OPEN, UNSEEN) == (11, 76)


def test_a_cause_that_shows_after_the_onset_is_none() -> None:
    late = PUSH | {"start": 3.4, "nudge_time": 3.5}
    assert first_sign(failure({"external_push": late}), OPEN, UNSEEN) == (0, 0)
    fading = {"fading_grip": {"rate": 9.0, "delay": 0.0}}
    assert first_sign(failure(fading | {"external_push": late}), OPEN, UNSEEN) == (62, 62)
    assert first_sign(failure({}), OPEN, UNSEEN) == (0, 0)
    at_the_onset = PUSH | {"start": 3.3, "nudge_time": 3.5}
    assert first_sign(failure({"external_push": at_the_onset}), OPEN, UNSEEN) == (100, 100)


def test_what_cannot_be_told_is_said() -> None:
    with pytest.raises(FormatError, match=r"1-0.*not known"):
        signs(failure({}, onset_step=-1), OPEN, UNSEEN)
    with pytest.raises(FormatError, match=r"episode 1-0.*tremor.*fading_grip"):
        signs(failure({"tremor": {}}), OPEN, UNSEEN)
    with pytest.raises(FormatError, match=r"episode 1-0.*rate"):
        signs(failure({"freezes": {"duration": 0.1}}), OPEN, UNSEEN)


def grip_force(core: Any) -> Any:
    return core.world.grip_force


def camera(core: Any) -> Any:
    return core.world.model.cam_pos.tobytes()


def opening(core: Any) -> Any:
    return core.world.grip


def joints(core: Any) -> Any:
    """Where the arm is."""
    return core.world.data.qpos[core.world.arm_positions].round(9).tobytes()


@pytest.mark.parametrize(
    ("disturbance", "watched"),
    [
        ({"fading_grip": {"rate": 9.0, "delay": 0.2}}, grip_force),
        ({"camera_slip": {"shift": 0.05, "turn": 0.1, "start": 1.0, "duration": 1.0}}, camera),
        ({"gripper_glitch": {"rate": 0.7, "duration": 0.2}}, opening),
        ({"freezes": {"rate": 0.5, "duration": 0.5}}, joints),
        ({"slow_down": {"factor": 0.3}}, joints),
        ({"external_push": PUSH | {"start": 1.5}}, joints),
        # Between other families the generators are those of the episode, too.
        ({"camera_change": dict.fromkeys(("shift", "turn", "colour"), 0.0) | {"light": 1.1},
          "freezes": {"rate": 0.5, "duration": 0.5}}, joints),
    ],
)  # fmt: skip
def test_the_first_sign_is_the_row_at_which_the_simulation_first_differs(
    disturbance: dict[str, dict[str, float]], watched: Callable[[Any], Any]
) -> None:
    """Rows before it are bitwise those of the same episode without the disturbance."""
    environment = PandaPickPlace(image_size=0, step_limit=130)
    clean, _, _ = watch(environment, {}, watched)
    found, record, arrays = watch(environment, disturbance, watched)
    differs = [k for k, (a, b) in enumerate(zip(clean, found, strict=False)) if a != b]
    family = max(disturbance)  # the one that is not neutral here stands last
    assert signs(replace(record, onset_step=500), *arrays)[family] == differs[0] + 1


def watch(
    environment: PandaPickPlace,
    disturbance: dict[str, dict[str, float]],
    watched: Callable[[Any], Any],
) -> tuple[list[Any], EpisodeRecord, tuple[np.ndarray, np.ndarray]]:
    """What was watched after each step, the record, and what the store keeps of the episode."""
    core: Any = environment.unwrapped
    values: list[Any] = []
    gripper: list[float] = []
    perceived: list[np.ndarray] = []

    def keep(step: RolloutStep) -> None:
        values.append(watched(core))
        gripper.append(float(step.action[-1]))
        perceived.append(step.observation["perceived"].copy())

    plan = EpisodePlan("0-000000", 0, 12, dict(disturbance), abrupt=False)
    record = rollout(environment, Expert(), plan, on_step=keep)
    return values, record, (np.array(gripper), np.array(perceived))
