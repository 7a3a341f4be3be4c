"""The closed-loop study: the loop without ROS, random times, rows on disk, and the figures."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_predictor import watched

from salus.closed_loop.figures import Pairs, figures, verdicts
from salus.closed_loop.loop import FAULT, Spell, WatchedLoop
from salus.closed_loop.page import write_page
from salus.closed_loop.rows import OFF, RANDOM, SUPERVISED, Row, RowFile
from salus.closed_loop.timetable import Pool, Timetable, pool_of
from salus_collector.outcomes import end_of
from salus_collector.plan import plan_episode
from salus_collector.policy.expert import Expert
from salus_collector.rollout import rollout
from salus_collector.sim.disturbance_config import NO_DISTURBANCES, load_mix
from salus_collector.sim.environment import PandaPickPlace
from salus_data.errors import FormatError
from salus_data.types import SupervisorStatus
from salus_predictor.supervisor.config import SupervisorConfig, parse_config
from salus_predictor.supervisor.core import Mode
from salus_predictor.supervisor.intervention import Intervention

HOLD = parse_config(
    {
        "rules": [
            {
                "name": "r",
                "type": "any",
                "within": 1,
                "level": "alarm",
                "do": "hold",
                "min_time": 0.2,
                "max_time": 0.2,
                "cooldown": 0.5,
            }
        ]
    },
    "test",
)


@pytest.fixture(scope="module")
def environment() -> PandaPickPlace:
    return PandaPickPlace(image_size=0)


def loop(environment: Any, mode: Mode, *, config: Any = HOLD, **options: Any) -> WatchedLoop:
    mix = options.pop("mix", NO_DISTURBANCES)
    made = WatchedLoop(environment, mix, 7, Expert(), None, SupervisorConfig(), Mode.PASS_THROUGH)
    alarm = options.pop("alarm", 0.02)
    model = watched(made.contract, alarm=alarm, elevated=alarm)
    return WatchedLoop(environment, mix, 7, Expert(), model, config, mode, **options)


def test_the_loop_without_a_supervisor_is_a_plain_rollout(environment: PandaPickPlace) -> None:
    actions: list[Any] = []
    record = rollout(
        environment,
        Expert(),
        plan_episode(7, 0, NO_DISTURBANCES),
        on_step=lambda step: actions.append(step.action),
    )
    for mode in (Mode.PASS_THROUGH, Mode.SHADOW):
        episode = loop(environment, mode).run(0, keep_actions=True)
        assert episode.record.to_json() == record.to_json()
        # The last row is answered, but not executed.
        np.testing.assert_array_equal(episode.actions[:-1], actions)
        assert not episode.spells


@pytest.mark.ros
@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
@pytest.mark.parametrize("do", ["hold", "retreat"])
def test_real_nodes_send_the_same_actions(
    environment: PandaPickPlace, tmp_path: Path, do: str
) -> None:
    pytest.importorskip("salus_msgs.msg")
    from watched_graph import watched_graph

    rules = tmp_path / "rules.yaml"
    asked = HOLD.model_dump(mode="json", exclude_defaults=True)
    asked["rules"][0]["do"] = do
    rules.write_text(json.dumps(asked))
    config = parse_config(asked, "test")
    ours = loop(environment, Mode.ACTIVE, config=config).run(0, keep_actions=True)
    contract = loop(environment, Mode.ACTIVE).contract
    model = watched(contract, alarm=0.02, elevated=0.02)
    with watched_graph(tmp_path, lambda path: model, supervise="active", rules=str(rules)) as graph:
        graph.run(0)
        theirs = graph.heard["actions"]
    assert [int(a.supervisor_state) for a in theirs] == [int(s) for s in ours.statuses]
    assert {SupervisorStatus.HOLDING, SupervisorStatus.RETREATING} & set(ours.statuses)
    np.testing.assert_array_equal([list(a.values) for a in theirs], ours.actions)


def test_spells_are_what_was_done_to_actions(environment: PandaPickPlace) -> None:
    episode = loop(environment, Mode.ACTIVE).run(0)
    changed = {t for t, s in enumerate(episode.statuses) if s is not SupervisorStatus.NORMAL}
    spelled = {t for spell in episode.spells for t in range(spell.start, spell.start + spell.steps)}
    assert changed == spelled
    assert {spell.kind for spell in episode.spells} == {"hold"}


def test_a_collision_is_followed_and_its_impulse_added_up(environment: PandaPickPlace) -> None:
    mix = load_mix("obstacle")
    found = 0
    for index in range(12):
        short = loop(environment, Mode.PASS_THROUGH, mix=mix).run(index)
        if end_of(short.record) != "collision":
            assert short.after == 0
            continue
        found += 1
        long = loop(environment, Mode.PASS_THROUGH, mix=mix, aftermath=0.5).run(index)
        assert long.record == short.record, "what ended an episode does not change afterwards"
        assert long.impulse - long.after == pytest.approx(short.impulse)
        assert short.impulse >= 2.0, "a collision has 2 N s or more"
        assert long.after >= 0
        assert long.peak >= short.record.force
        if found == 2:
            break
    assert found


# --- random times ---------------------------------------------------------------------------------


def asked_for(pool: Pool, seed: int, steps: int, idle: int = 0) -> list[Intervention | None]:
    table = Timetable(pool)
    table.prepare(seed, idle)
    table.begin()
    return [d[0].intervention if (d := table.step(None)) else None for _ in range(steps)]


def test_random_times_are_as_frequent_and_of_the_same_kinds() -> None:
    pool = Pool((("slow", 10), ("hold", 4), (FAULT, 2)), rate=0.02)
    asked = [asked_for(pool, seed, 400, idle=30) for seed in range(300)]
    assert all(a is None for steps in asked for a in steps[:30])
    flat = [a for steps in asked for a in steps[30:]]
    begun = [
        b for steps in asked for a, b in zip([None, *steps], steps, strict=False) if b and b != a
    ]
    free = flat.count(None)
    assert len(begun) / free == pytest.approx(0.02, rel=0.1)
    assert set(begun) == {Intervention.SLOW, Intervention.HOLD}
    assert begun.count(Intervention.SLOW) / len(begun) == pytest.approx(1 / 3, abs=0.05)
    assert flat.count(Intervention.SLOW) / flat.count(Intervention.HOLD) == pytest.approx(
        10 / 6, rel=0.15
    )


def test_random_times_follow_from_the_seed_alone() -> None:
    pool = Pool((("slow", 10),), rate=0.05)
    assert asked_for(pool, 3, 200) == asked_for(pool, 3, 200)
    assert asked_for(pool, 3, 200) != asked_for(pool, 4, 200)


def test_no_intervention_gives_none_at_random() -> None:
    pool = pool_of([row(SUPERVISED, 0)])
    assert pool == Pool((), 0.0)
    assert asked_for(pool, 1, 100) == [None] * 100


# --- rows and figures -----------------------------------------------------------------------------


def row(arm: str, index: int, end: str = "success", **fields: Any) -> Row:
    base = Row(
        arm,
        index,
        index,
        end,
        onset=80,
        steps=100,
        idle=10,
        abrupt=False,
        families=(),
        bodies=(),
        impulse=0.0,
        peak=0.0,
        states={"normal": 100},
    )
    return replace(base, **fields)


def study(cases: list[tuple[str, str, str]], **supervised: Any) -> Pairs:
    rows = []
    for index, ends in enumerate(cases):
        for arm, end in zip((OFF, SUPERVISED, RANDOM), ends, strict=True):
            fields = supervised if arm == SUPERVISED else {}
            rows.append(row(arm, index, end, impulse=6.0 if end == "collision" else 0.0, **fields))
    return Pairs(rows, replicates=200)


def test_figures_of_a_study_that_can_be_counted_by_hand() -> None:
    cases = (
        [("collision", "success", "collision")] * 6
        + [("collision", "stopped", "collision")] * 2
        + [("collision", "collision", "collision")] * 2
        + [("success", "success", "success")] * 18
        + [("success", "drop", "success")] * 1
        + [("success", "stopped", "success")] * 1
    )
    spell = Spell("hold", 50, 5)
    tree = figures(study(cases, spells=(spell,)), 1 / 30)
    found = tree["supervised"]
    assert found["failures_reduced"] == pytest.approx(1 - 3 / 10)
    assert found["failures_recovered"] == pytest.approx(0.6), "a stop is no save"
    judged = {target["what"]: target["value"] for target in verdicts(tree)}
    assert judged["episodes without success reduced by 25 %"] == pytest.approx(1 - 6 / 10)
    assert found["failures_stopped"] == pytest.approx(0.2)
    assert found["successes_lost"] == pytest.approx(2 / 20)
    assert found["successes_lost_to_stop"] == pytest.approx(1 / 20)
    assert found["by_type"]["collision"]["reduced"] == pytest.approx(0.8)
    assert found["by_type"]["drop"]["reduced"] is None, "there was none to be reduced"
    assert found["impulse_reduced"] == pytest.approx(0.8)
    assert found["first_interventions"]["in_time"] == 10
    assert found["first_interventions"]["in_successes"] == 20
    assert found["first_interventions"]["lead_seconds"]["collision"] == pytest.approx([1.0] * 10)
    assert tree["supervised_against_random"]["fewer_failures"] == pytest.approx(7 / 30)
    assert tree["arms"]["supervised"]["interventions"] == 30
    assert tree["untouched_pairs_that_differ"] == 0
    low, high = found["failures_reduced_ci"]
    assert low < 0.7 < high < 1


def test_an_intervention_after_the_onset_prevents_nothing() -> None:
    cases = [("collision", "collision", "collision")] * 4
    late = figures(study(cases, spells=(Spell("hold", 80, 5),)), 1 / 30)
    assert late["supervised"]["first_interventions"]["too_late"] == 4
    assert late["arms"]["supervised"]["interventions_after_own_onset"] == 4


def test_arms_that_do_the_same_have_no_difference_and_no_interval_around_it() -> None:
    cases = [("collision",) * 3, ("success",) * 3] * 10
    found = figures(study(cases), 1 / 30)["supervised_against_random"]
    assert found["fewer_failures"] == 0
    assert found["fewer_failures_ci"] == [0, 0], "pairs, not two samples"


def test_no_lost_success_of_few_is_not_told_as_certain() -> None:
    cases = [("success",) * 3] * 20 + [("drop", "success", "drop")] * 5
    found = figures(study(cases), 1 / 30)["supervised"]
    assert found["successes_lost"] == 0
    z = 1.96**2
    assert found["successes_lost_ci"] == pytest.approx([0, z / (20 + z)], abs=1e-4)
    assert found["failures_recovered_ci"] == pytest.approx([5 / (5 + z), 1], abs=1e-4)


def test_pairs_that_differ_without_an_intervention_are_told() -> None:
    assert (
        figures(study([("success", "drop", "success")]), 1 / 30)["untouched_pairs_that_differ"] == 1
    )


def test_seeds_with_a_discarded_episode_are_left_out() -> None:
    pairs = study([("discarded", "success", "success"), ("success",) * 3])
    assert (len(pairs), pairs.discarded) == (1, 1)


def test_better_than_random_times_needs_the_whole_interval() -> None:
    few = figures(study([("drop", "success", "drop")] + [("success",) * 3] * 30), 1 / 30)
    many = figures(study([("drop", "success", "drop")] * 10 + [("success",) * 3] * 30), 1 / 30)
    judged = [
        next(t["met"] for t in verdicts(tree) if t["what"] == "more successes than at random times")
        for tree in (few, many)
    ]
    assert judged == [False, True]


def test_rows_come_back_and_a_torn_line_is_run_again(tmp_path: Path) -> None:
    path, settings = tmp_path / "rows.jsonl", {"policy": "expert", "seed": 1}
    file = RowFile(path, settings)
    spelled = row(SUPERVISED, 0, spells=(Spell("slow", 4, 2, 1, "why"),))
    file.add(spelled)
    file.add(row(OFF, 0))
    with path.open("a") as lines:
        lines.write(json.dumps(asdict(row(OFF, 1)))[:50])
    again = RowFile(path, settings)
    assert again.rows == {(SUPERVISED, 0): spelled, (OFF, 0): row(OFF, 0)}
    again.add(row(OFF, 1))
    assert set(RowFile(path, settings).rows) == {(SUPERVISED, 0), (OFF, 0), (OFF, 1)}


def test_rows_of_another_study_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    RowFile(path, {"seed": 1}).add(row(OFF, 0))
    with pytest.raises(FormatError, match="seed 1, this one has 2"):
        RowFile(path, {"seed": 2})


def test_the_page_stands_by_itself(tmp_path: Path) -> None:
    pairs = study([("collision", "success", "collision"), ("success",) * 3] * 5)
    document = figures(pairs, 1 / 30)
    document |= {
        "targets": verdicts(document),
        "warnings": ["look <here>"],
        "protocol": {
            "command": "salus study closed-loop",
            "policy": "expert",
            "disturbances": "mix",
            "aftermath": 0.5,
        },
    }
    text = write_page(pairs, document, tmp_path / "report.html", "Closed loop").read_text()
    assert text.count("<svg") == 3
    assert "look &lt;here&gt;" in text
    assert 'src="http' not in text
    assert 'href="http' not in text
