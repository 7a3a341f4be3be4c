"""The study on little: what it trains, what it compares, and that it goes on where it stopped."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning import make_contract, make_data, write_store

from salus_data.contract import Column
from salus_data.errors import FormatError, UnknownNameError
from salus_data.types import Outcome
from salus_predictor.baselines.constants import AlwaysNegative
from salus_predictor.baselines.signals import published_signal, single_signal
from salus_predictor.evaluation.overlap import OverlapError
from salus_predictor.evaluation.protocol import write_json
from salus_predictor.model.inputs import choose_inputs
from salus_predictor.steps import StepData
from salus_predictor.studies.simulation import study as study_module
from salus_predictor.studies.simulation.beside import MEAN, compare_studies, comparison_markdown
from salus_predictor.studies.simulation.plan import (
    Job,
    Plan,
    families,
    signal_groups,
    training_part,
    with_family,
)
from salus_predictor.studies.simulation.rates import resplit_rates
from salus_predictor.studies.simulation.study import Study, run_study
from salus_predictor.studies.simulation.tables import markdown
from salus_predictor.studies.simulation.targets import targets
from salus_predictor.training.options import TrainOptions

TINY = TrainOptions(kind="trees", rounds=10, depth=3, inputs="slip,effort,gap,stall")


def disturbed(data: StepData) -> StepData:
    """Two families, one of them abrupt, in failures and successes alike."""
    records = tuple(
        replace(
            record,
            disturbance={("mass", "push")[number // 8 % 2]: {"severity": 0.5}},
            abrupt=bool(number // 8 % 2),
        )
        for number, record in enumerate(data.records)
    )
    return replace(data, records=records)


@pytest.fixture(scope="module")
def train_set() -> StepData:
    return disturbed(make_data(80))


@pytest.fixture(scope="module")
def unseen() -> StepData:
    return disturbed(make_data(48, seed=7))


@pytest.fixture(scope="module")
def small_study(
    tmp_path_factory: pytest.TempPathFactory, train_set: StepData, unseen: StepData
) -> Study:
    folder = tmp_path_factory.mktemp("stores")
    sections = ("seeds", "inputs", "time", "data", "families", "baselines")
    return Study(
        [write_store(folder / "train.zarr", train_set)],
        [write_store(folder / "test.zarr", unseen)],
        Plan((0,), TINY, "trees", sections),
        replicates=20,
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def document(small_study: Study, out: Path) -> dict[str, Any]:
    few = [AlwaysNegative(), single_signal("slip"), published_signal("stac")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_module, "baselines", lambda _: few)
        found = run_study(small_study, out)
    return found | {"targets": targets(found)}


def test_every_question_has_its_models(document: dict[str, Any]) -> None:
    jobs = document["jobs"]
    assert {"main-seed0", "trees-listed", "trees-portable-time", "trees-listed-half"} <= set(jobs)
    assert jobs["trees-core"]["refused"][0].startswith("inputs 'core' need epistemic")
    assert "object_distance" not in jobs["trees-portable"]["inputs"]
    whole = jobs["trees-listed"]["sets"]
    assert whole["all"]["headline"]["f1"] > 0.3
    assert set(whole) == {"all", "mass", "push"}
    assert whole["mass"]["episodes"] + whole["push"]["episodes"] == 48
    assert jobs["trees-listed-half"]["training_episodes"] == 40
    alone = jobs["trees-listed-without-push"]
    assert set(alone["sets"]) == {"all", "push"}
    assert alone["training_episodes"] == 40


def test_differences_are_paired(document: dict[str, Any]) -> None:
    jobs, change = document["jobs"], document["families"]["push"]
    each = [
        jobs[name]["sets"]["push"]["headline"]["f1"]
        for name in ("trees-listed-without-push", "trees-listed")
    ]
    assert change["f1"] == pytest.approx(each[0] - each[1])
    low, high = change["f1_ci"]
    assert low <= high
    assert document["differences"]["trees-portable-time"]["against"] == "trees-portable"
    assert document["differences"]["trees-listed-half"]["against"] == "trees-listed"
    assert "trees-listed" not in document["differences"]


def test_the_same_model_gets_the_same_figures(document: dict[str, Any]) -> None:
    main, full = (document["jobs"][name] for name in ("main-seed0", "trees-listed"))
    assert main["sets"]["all"] == full["sets"]["all"]


def test_baselines_stand_beside_and_say_what_they_lack(document: dict[str, Any]) -> None:
    beside = document["baselines"]
    assert beside["always_negative"]["sets"]["all"]["headline"]["f1"] == 0
    assert beside["signal:slip"]["sets"]["all"]["headline"]["f1"] > 0
    assert beside["stac"]["not_run"] == "lacks signal stac or chunk_mse_mmd"


def test_tables_show_all_of_it(document: dict[str, Any]) -> None:
    text = markdown(document)
    for words in (
        "### Aims", "### Seeds", "### Types", "### Events, alarms set to 0.1", "abrupt causes",
        "### Gradual", "trees-portable-time", "refused: inputs", "### Families", "halved 40 times",
        "signal:slip", "Not run: stac", "**main-seed0**", "F1 at 5",
    ):  # fmt: skip
        assert words in text, words
    assert "nan" not in text.lower()
    rows = {row["what"]: row for row in document["targets"]}
    assert rows["macro f1"]["value"] == pytest.approx(
        document["jobs"]["main-seed0"]["sets"]["all"]["headline"]["f1"]
    )
    assert rows["macro f1"]["met"] == (rows["macro f1"]["value"] >= 0.7)


def test_it_goes_on_and_runs_again_what_is_of_something_else(
    document: dict[str, Any], small_study: Study, out: Path
) -> None:
    plan = replace(small_study.plan, sections=("seeds", "data"))
    again = replace(small_study, plan=plan)
    path = out / "runs" / "trees-listed-half.json"
    before = path.stat().st_mtime_ns
    (out / "runs" / "main-seed0.json").write_text('{"cut short')
    found = run_study(again, out)
    assert path.stat().st_mtime_ns == before
    assert (
        found["jobs"]["main-seed0"]["sets"]["all"] == document["jobs"]["main-seed0"]["sets"]["all"]
    )
    other = replace(again, plan=replace(plan, main=replace(TINY, rounds=2), sections=("seeds",)))
    changed = run_study(other, out)["jobs"]["main-seed0"]
    assert (
        changed["sets"]["all"]["headline"] != found["jobs"]["main-seed0"]["sets"]["all"]["headline"]
    )


def test_seeds_of_training_are_not_scored(small_study: Study, tmp_path: Path) -> None:
    with pytest.raises(OverlapError, match="80 of 80"):
        run_study(replace(small_study, test=small_study.train), tmp_path)


def test_parts_of_the_data(train_set: StepData, unseen: StepData) -> None:
    assert families(train_set, unseen) == ["mass", "push"]
    left = training_part(train_set, Job("", "", TINY, without="push"))
    assert all("push" not in record.disturbance for record in left.records)
    assert len(left) + len(with_family(train_set, "push")) == len(train_set)
    quarter, half = (
        {record.seed for record in training_part(train_set, Job("", "", TINY, share=share)).records}
        for share in (0.25, 0.5)
    )
    assert quarter < half
    calm = tuple(replace(r, outcome=Outcome.SUCCESS, failure_type=-1) for r in unseen.records)
    assert families(train_set, replace(unseen, records=calm)) == []


def test_groups_of_signals(train_set: StepData) -> None:
    groups = signal_groups(train_set.contract, "slip,noise,object_distance")
    assert groups == {"policy": ("slip", "noise"), "objects": ("object_distance",)}


def test_what_is_about_objects_is_not_portable() -> None:
    names = ("planned_height", "planned_object_height", "planned_clearance", "seen_object_x")
    names = (*names, "object_distance", "seen_planned_object_x", "joint_effort", "epistemic")
    contract = make_contract(signals=tuple(Column(name, "1") for name in names))
    assert choose_inputs(contract, "portable") == ("planned_height", "joint_effort", "epistemic")
    groups = signal_groups(contract, ",".join(names))
    assert groups == {
        "policy": ("epistemic",),
        "plan": (*names[:3], "seen_planned_object_x"),
        "robot": ("joint_effort",),
        "objects": ("object_distance",),
        "localiser": ("seen_object_x",),
    }


def test_an_unknown_section_is_named() -> None:
    with pytest.raises(UnknownNameError, match="families"):
        Plan((0,), TINY, "trees", ("family",))


def test_the_rate_of_exchangeable_successes_is_the_promised_one() -> None:
    scores = np.random.default_rng(0).uniform(size=(600, 3))
    found = resplit_rates(scores)
    assert found["episodes"] == 600
    for alpha, kinds in found["rates"].items():
        for name in ("any", "types", "chance"):
            assert kinds[name]["mean"] == pytest.approx(float(alpha), abs=0.03), (alpha, name)
            assert kinds[name]["gap"] <= kinds[name]["mean_gap"] + 1e-12


def test_a_rate_by_hand() -> None:
    """With 20 calibration scores and a rate of 0.2 the threshold is the 17th smallest."""
    scores = np.repeat(np.random.default_rng(1).permutation(40)[:, None].astype(float), 2, axis=1)
    found = resplit_rates(scores, alphas=(0.2,), resplits=1, seed=3)["rates"]["0.2"]
    random = np.random.default_rng(3)
    random.uniform(size=40)
    order = random.permutation(40)
    first, second = scores[order[:20], 0], scores[order[20:], 0]
    wanted = (second > np.sort(first)[16]).mean()
    assert found["any"]["mean"] == found["types"]["mean"] == wanted
    assert found["any"]["gap"] == pytest.approx(abs(wanted - 0.2))


def test_too_few_successes_are_not_halved() -> None:
    with pytest.raises(FormatError, match="19 successful"):
        resplit_rates(np.zeros((19, 3)))


def test_studies_on_the_same_episodes_stand_beside_each_other(
    document: dict[str, Any], tmp_path: Path
) -> None:
    seed = document["jobs"]["main-seed0"]
    written = document | {"jobs": {"main-seed0": seed, "main-seed1": seed}}
    for name in ("one", "two"):
        write_json(tmp_path / name / "study.json", written)
    found = compare_studies([tmp_path / "one", tmp_path / "two"])
    assert set(found["models"]) == {"main-seed0", "main-seed1", MEAN}
    one, two = (found["models"][MEAN][str(tmp_path / name)] for name in ("one", "two"))
    assert one["f1"] == pytest.approx(seed["sets"]["all"]["headline"]["f1"])
    assert one["f1_ci"][0] <= one["f1"] <= one["f1_ci"][1]
    assert one["differences"] is None
    assert (two["differences"]["f1"], two["differences"]["f1_ci"]) == (0, [0, 0])
    assert f"| {MEAN} | {tmp_path / 'two'} |" in comparison_markdown(found)


def test_differences_between_studies_are_paired_and_of_the_mean(
    document: dict[str, Any], tmp_path: Path
) -> None:
    """Every replicate a tenth lower is a tenth lower for sure, however wide both intervals are."""
    seed = document["jobs"]["main-seed0"]
    head = seed["sets"]["all"]["headline"]
    lower = {"f1": head["f1"] - 0.1, "f1_drawn": [v - 0.1 for v in head["f1_drawn"]]}
    worse = seed | {"sets": {"all": seed["sets"]["all"] | {"headline": head | lower}}}
    jobs = {"one": (seed, seed), "two": (seed, worse)}
    for name, (first, second) in jobs.items():
        both = {"main-seed0": first, "main-seed1": second}
        write_json(tmp_path / name / "study.json", document | {"jobs": both})
    found = compare_studies([tmp_path / "one", tmp_path / "two"])["models"]
    for model, expected in (("main-seed0", 0), ("main-seed1", -0.1), (MEAN, -0.05)):
        differences = found[model][str(tmp_path / "two")]["differences"]
        assert differences["f1"] == pytest.approx(expected, abs=1e-6)
        assert differences["f1_ci"] == pytest.approx([expected, expected], abs=1e-6)


def test_studies_that_cannot_be_compared_are_refused(
    document: dict[str, Any], tmp_path: Path
) -> None:
    protocol = document["protocol"]
    other = protocol | {"test": protocol["test"] | {"episodes": 5}}
    for name, told in (("one", protocol), ("two", other), ("three", protocol | {"replicates": 7})):
        write_json(tmp_path / name / "study.json", document | {"protocol": told})
    with pytest.raises(FormatError, match=r"other episodes: episodes is 48 and 5"):
        compare_studies([tmp_path / "one", tmp_path / "two"])
    with pytest.raises(FormatError, match=r"--replicates was 20 in .*one and 7 in"):
        compare_studies([tmp_path / "one", tmp_path / "three"])
    with pytest.raises(
        FormatError, match=r"four/study\.json: no result of `salus study predictor`"
    ):
        compare_studies([tmp_path / "one", tmp_path / "four"])
    with pytest.raises(FormatError, match="two or more"):
        compare_studies([tmp_path / "one"])
