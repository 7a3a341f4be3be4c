"""Running a study: episodes that the arms share, several processes, going on later."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_predictor import watched

from salus.closed_loop import runner, sharing
from salus.closed_loop import settings as study_settings
from salus.closed_loop.loop import Spell
from salus.closed_loop.rows import OFF, RANDOM, SUPERVISED, Row
from salus.closed_loop.settings import StudySettings
from salus.closed_loop.sharing import shared_off, shared_random
from salus.closed_loop.study import run_study
from salus.closed_loop.timetable import Pool, Timetable
from salus_collector.policy.contract import policy_contract
from salus_collector.policy.expert import Expert
from salus_data.contract import Contract
from salus_predictor.calibration.calibrate import choose_thresholds
from salus_predictor.model.folder import Episodes, Model
from salus_predictor.model.schema import Provenance
from salus_predictor.model.writing import save_model
from salus_predictor.training.fit import fit_predictor
from salus_predictor.training.measure import made_up
from salus_predictor.training.options import TrainOptions

pytestmark = pytest.mark.timeout(600)  # workers import what policies need

MIX = str(Path(__file__).parents[3] / "config" / "disturbances.yaml")
ROW = Row(
    SUPERVISED,
    index=1,
    seed=5,
    end="drop",
    onset=80,
    steps=100,
    idle=10,
    abrupt=False,
    families=("grip_fade",),
    bodies=(),
    impulse=0.0,
    peak=0.0,
    states={"normal": 100},
)


def contract() -> Contract:
    return policy_contract(Expert(), step_period=1 / 30, task="pick")


@pytest.fixture
def rules(tmp_path: Path) -> Callable[..., str]:
    def write(**rule: Any) -> str:
        path = tmp_path / "rules.yaml"
        path.write_text(yaml.safe_dump({"rules": [{"name": "r", **rule}] if rule else []}))
        return str(path)

    return write


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a model that fits the expert; what it forecasts is worth nothing."""
    data = made_up(1500, len(contract().signals), length=60)
    data = replace(data, contract=contract())
    predictor = fit_predictor(data, data, TrainOptions(kind="trees", rounds=2), force=True)
    folder = tmp_path_factory.mktemp("model")
    seen = Episodes((), tuple(record.seed for record in data.records))
    save_model(
        Model(predictor, choose_thresholds(predictor, data), Provenance(), seen, "trees"), folder
    )
    return str(folder)


# --- what is shared -------------------------------------------------------------------------------


def test_a_supervised_episode_without_an_intervention_is_that_without_a_supervisor() -> None:
    rows = {(SUPERVISED, 1): ROW}
    assert shared_off(rows, 1, 0.5) == replace(ROW, arm=OFF)
    assert shared_off(rows, 2, 0.5) is None, "there is no row yet"


def test_what_may_have_been_touched_is_run() -> None:
    touched = {(SUPERVISED, 1): replace(ROW, spells=(Spell("hold", 50, 3),))}
    collided = {(SUPERVISED, 1): replace(ROW, end="collision")}
    checked = {(SUPERVISED, 0): replace(ROW, index=0)}
    assert shared_off(touched, 1, 0.5) is None
    assert shared_off(collided, 1, 0.5) is None, "it may have been touched after the collision"
    assert shared_off(collided, 1, 0.0) is not None
    assert shared_off(checked, 0, 0.5) is None, "some seeds are run in every arm"


def test_random_times_that_fall_after_the_episode_change_nothing() -> None:
    rows = {(OFF, 1): replace(ROW, arm=OFF)}
    for rate, shared in ((0.0, True), (1.0, False)):
        timetable = Timetable(Pool((("hold", 3),), rate))
        found = shared_random(rows, 1, 0.5, timetable, "pool")
        assert found == (replace(ROW, arm=RANDOM, pool="pool") if shared else None)
    late = Timetable(Pool((("hold", 3),), 0.02))
    first = next(n for n in range(1, 2000) if late.asks(ROW.seed, ROW.idle, n))
    for steps, shared in ((first - 1, True), (first, False)):
        rows = {(OFF, 1): replace(ROW, arm=OFF, steps=steps)}
        assert (shared_random(rows, 1, 0.0, late, "pool") is not None) == shared
    rows = {(OFF, 1): replace(ROW, arm=OFF, steps=first - 1)}
    assert shared_random(rows, 1, 0.5, late, "pool") is None, "it may be followed for so long"


def test_sharing_changes_no_row(
    tmp_path: Path, rules: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against every arm run for every seed, with a supervisor that acts in some episodes only."""
    for module in (runner, study_settings):
        monkeypatch.setattr(
            module, "load_watched", lambda _: watched(contract(), alarm=0.05, elevated=0.05)
        )
    monkeypatch.setattr(StudySettings, "require_unseen", lambda _: None)
    hold = rules(type="drop", within=1, level=0.07, do="hold", max_time=0.2, cooldown=3)
    settings = StudySettings("expert", "fake", hold, MIX, episodes=6, seed=77)
    ran: list[tuple[str, int]] = []
    run = runner.Runner.run

    def count(self: Any, arm: str, index: int, pool: Pool | None) -> Row:
        ran.append((arm, index))
        return run(self, arm, index, pool)

    monkeypatch.setattr(runner.Runner, "run", count)
    found = run_study(settings, tmp_path / "shared.jsonl")
    shared = 3 * settings.episodes - len(ran)
    monkeypatch.setattr(sharing, "CHECKED", 1)
    assert run_study(settings, tmp_path / "whole.jsonl") == found
    touched = [bool(row.spells) for row in found if row.arm == SUPERVISED]
    assert any(touched)
    assert not all(touched)
    assert shared > 0


# --- processes ------------------------------------------------------------------------------------


def test_two_workers_say_what_one_says_and_a_study_goes_on(
    tmp_path: Path, model: str, rules: Callable[..., str]
) -> None:
    hold = rules(type="any", within=1, level=1e-6, do="hold", max_time=0.2, cooldown=1)
    settings = StudySettings("expert", model, hold, MIX, episodes=3, seed=78)
    new: list[Row] = []
    one = run_study(replace(settings, episodes=2), tmp_path / "one.jsonl", on_row=new.append)
    assert len(new) == 6
    two = run_study(replace(settings, episodes=2), tmp_path / "two.jsonl", workers=2)
    assert one == two
    assert all(row.spells for row in two if row.arm == SUPERVISED)
    already: list[int] = []
    new.clear()
    path = tmp_path / "two.jsonl"
    more = run_study(settings, path, workers=2, on_row=new.append, on_plan=already.append)
    assert already == [4], "random times are drawn anew from what three episodes did"
    assert len(new) == 5
    assert [row for row in more if row.index < 2 and row.arm != RANDOM] == [
        row for row in two if row.arm != RANDOM
    ]
    new.clear()
    assert run_study(settings, path, workers=2, on_row=new.append) == more
    assert not new, "nothing is missing"
