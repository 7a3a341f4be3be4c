"""What could be foreseen: counts that are known by hand, and the command around them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import one_line
from scored_data import HORIZONS, make_data, random_data, random_forecasts, record

pytest.importorskip("salus_msgs.msg")

from salus.foreseeable.figures import Scored, by_family, figures
from salus.foreseeable.text import markdown
from salus_predictor.evaluation.bootstrap import episode_weights
from salus_predictor.evaluation.evaluate import Settings, evaluate
from salus_predictor.evaluation.figure import tree_to_json
from salus_predictor.evaluation.thresholds import Thresholds
from salus_predictor.steps import StepData

COLLISION, DROP = 0, 1
TEN, TWENTY = (HORIZONS.index(h) for h in (10, 20))
RULES = {"slow_down": "from the start", "external_push": "from the push"}


def known() -> tuple[StepData, np.ndarray]:
    """Onsets at row 40; the first sign at row 0, at row 36, and at the onset."""
    push, slow = {"external_push": {}}, {"slow_down": {}}
    records = [
        record(0, COLLISION, 42, disturbance=slow),
        record(1, COLLISION, 42, disturbance=push),
        record(2, COLLISION, 42, disturbance=push | slow),
        record(3, None, 42, disturbance=slow),
        record(4, DROP, 42),
    ]
    return make_data(records, [42] * 5), np.array([0, 36, 40, 0, 0])


def test_the_bound_is_the_share_of_steps_from_the_first_sign_on() -> None:
    data, first = known()
    tree = tree_to_json(figures(data, first, episode_weights(5, 30)))
    ten, twenty = (tree["cells"]["collision"][str(h)] for h in (10, 20))
    assert (ten["positives"], ten["foreseeable"]) == (30, 14)  # 10 + 4 + 0 of 10 each
    assert (twenty["positives"], twenty["foreseeable"]) == (60, 24)  # 20 + 4 + 0 of 20 each
    assert ten["recall_bound"] == pytest.approx(14 / 30)
    assert ten["f1_bound"] == pytest.approx(2 * 14 / (30 + 14))
    assert tree["horizons"] == [10, 20]
    both = tree["by_type"]["collision"]["recall_bound"]
    assert both == pytest.approx((14 / 30 + 24 / 60) / 2)
    assert tree["by_type"]["drop"]["recall_bound"] == 1
    assert tree["all"]["recall_bound"] == pytest.approx((both + 1) / 2)
    assert "f1" not in tree["all"]


def test_a_model_is_judged_on_steps_after_and_before_the_first_sign() -> None:
    data, first = known()
    probability = np.zeros((data.n_rows, len(HORIZONS), 2))
    at = probability[:, TEN, COLLISION].reshape(5, 42)
    at[0, 33:40] = 1  # 7 of 10
    at[1, 35:38] = 1  # one before its sign, two after
    at[3, 4:9] = 1  # 5 false
    probability[:, TEN, COLLISION] = at.ravel()
    scored = Scored(probability, np.full((3, 2), 0.5))
    tree = tree_to_json(figures(data, first, episode_weights(5, 30), scored))
    ten = tree["cells"]["collision"]["10"]
    assert ten["recall"] == pytest.approx(10 / 30)
    assert ten["precision"] == pytest.approx(10 / 15)
    assert ten["f1"] == pytest.approx(20 / 45)
    assert ten["recall_foreseeable"] == pytest.approx(9 / 14)
    assert ten["recall_before"] == pytest.approx(1 / 16)
    assert ten["f1_foreseeable"] == pytest.approx(18 / (14 + 14))


def test_figures_of_the_model_are_those_of_the_evaluation() -> None:
    data = random_data(5, 40)
    forecasts, thresholds = random_forecasts(data, 6), np.full((3, 2), 0.3)
    first = np.zeros(len(data), np.int64)
    scored = Scored(forecasts.probability, thresholds)
    tree = tree_to_json(figures(data, first, episode_weights(len(data), 30), scored))
    chosen = Thresholds(thresholds, np.full(2, 0.6), 0.2, "test")
    step = evaluate("m", data, forecasts, chosen, Settings(replicates=30)).tree["step"]
    macro = tree_to_json(step)["macro_10_20"]
    for metric in ("f1", "precision", "recall"):
        assert tree["all"][metric] == pytest.approx(macro[metric])
        assert tree["all"][f"{metric}_ci"] == pytest.approx(macro[f"{metric}_ci"])
    assert tree["all"]["f1_foreseeable"] == tree["all"]["f1"]
    assert tree["all"]["recall_bound"] == 1
    assert tree["all"]["recall_before"] is None


def test_failures_are_told_apart_by_the_family_that_was_alone() -> None:
    data, first = known()
    found = by_family(data, first, episode_weights(5, 30), RULES)
    assert list(found) == ["slow_down", "external_push", "none", "two or more"]
    push = found["external_push"]
    assert (push["failures"], push["positives"], push["foreseeable"]) == (1, 30, 8)
    assert push["lead_median_steps"] == 4
    assert push["rule"] == "from the push"
    assert found["two or more"]["share"].value == 0
    assert found["slow_down"]["share"].value == 1


def test_the_tables_name_every_type_family_and_rule() -> None:
    data, first = known()
    weights = episode_weights(5, 30)
    scored = Scored(np.full((data.n_rows, 3, 2), 0.5), np.full((3, 2), 0.4))
    for model in (None, scored):
        tree = figures(data, first, weights, model)
        families = by_family(data, first, weights, RULES, model)
        whole = tree | {"by_family": families, "latest_cause": figures(data, first, weights, model)}
        text = markdown(tree_to_json(whole))
        for word in ("collision", "drop", "all", "20 steps", "external_push", "from the push"):
            assert word in text
        assert ("F1, foreseeable steps" in text) is (model is not None)


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six episodes of the expert whose grip fades; some are drops."""
    out = tmp_path_factory.mktemp("run")
    command = "from salus.main import main; main()"
    options = "--direct --policy expert --disturbances fading_grip --image-size 0 --seed 9"
    options += " --episodes 6"
    subprocess.run(
        [sys.executable, "-c", command, "collect", *options.split(), "--out", str(out)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
        timeout=250,
    )
    return out


@pytest.mark.timeout(300)
def test_the_command_counts_what_the_simulation_recorded(salus, collected, tmp_path) -> None:
    status, text, _ = salus("study", "foreseeable", collected, "--out", tmp_path, "--json")
    assert status == 0
    document = json.loads(text)
    assert document == json.loads((tmp_path / "foreseeable.json").read_text())
    drop = document["by_type"]["drop"]
    assert 0 < drop["foreseeable"] < drop["positives"]  # the warning is shorter than 20 steps
    assert document["cells"]["drop"]["5"]["recall_bound"] == 1
    assert document["by_family"]["fading_grip"]["share"] == pytest.approx(
        drop["foreseeable"] / drop["positives"]
    )
    assert document["protocol"]["command"].startswith("salus study foreseeable")
    assert "fading_grip" in (tmp_path / "foreseeable.md").read_text()


@pytest.mark.timeout(300)
def test_a_model_that_has_seen_the_episodes_is_refused(
    salus, collected, tmp_path, monkeypatch
) -> None:
    from salus.foreseeable import study

    monkeypatch.setattr(study, "overlap", lambda data, _: [data.records[0].seed])
    status, _, error = salus(
        "study", "foreseeable", collected, "--model", "shipped", "--out", tmp_path / "out"
    )
    assert status == 1
    assert "has seen 1 of the 6 episodes" in one_line(error)
    assert not (tmp_path / "out").exists()


def test_an_episode_of_another_robot_is_refused(salus, tmp_path: Path) -> None:
    from learning import write_store

    store = write_store(tmp_path / "other.zarr", random_data(1, 8))
    status, _, error = salus("study", "foreseeable", store, "--out", tmp_path / "out")
    assert status == 2
    assert "other.zarr" in one_line(error)
    assert "perceived" in error
    assert not (tmp_path / "out").exists()
