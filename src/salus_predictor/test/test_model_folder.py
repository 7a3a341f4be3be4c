import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from salus_data.errors import FormatError
from salus_predictor.model.folder import (
    CALIBRATION,
    EPISODES,
    MODEL,
    NETWORK,
    TREES,
    Model,
)
from salus_predictor.model.reading import load_model, load_predictor
from salus_predictor.model.trees import Trees
from salus_predictor.model.writing import save_model
from salus_predictor.steps import StepData

FILES = (CALIBRATION, EPISODES, MODEL, NETWORK, TREES)


@pytest.fixture
def folder(fitted_model: Model, tmp_path: Path) -> Path:
    save_model(fitted_model, tmp_path / "model")
    return tmp_path / "model"


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = yaml.safe_load((folder / MODEL).read_text())
    change(data)
    (folder / MODEL).write_text(yaml.safe_dump(data))


def trust(folder: Path, name: str) -> None:
    """Make model.yaml vouch for a file as it is now: what a hostile sender would do."""
    import hashlib

    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    rewrite(folder, lambda data: data["files"].update({name: digest}))


def test_what_is_read_is_what_was_written(
    fitted_model: Model, folder: Path, held_data: StepData
) -> None:
    model = load_model(folder)
    before, after = (m.predictor.predict(held_data) for m in (fitted_model, model))
    assert after.probability == pytest.approx(before.probability, abs=1e-6)
    assert after.outcome == pytest.approx(before.outcome, abs=1e-6)
    assert (model.calibration.f1 == fitted_model.calibration.f1).all()
    assert (model.calibration.alarm() == fitted_model.calibration.alarm()).all()
    assert model.episodes == fitted_model.episodes
    assert model.predictor.contract == fitted_model.predictor.contract
    assert (load_predictor(folder).predict(held_data).outcome == after.outcome).all()
    assert sorted(p.name for p in folder.iterdir()) == sorted(FILES)


def test_a_model_says_what_it_means(folder: Path) -> None:
    data = yaml.safe_load((folder / MODEL).read_text())
    assert data["horizons_steps"] == [5, 10, 15, 20]
    assert data["horizons_s"] == pytest.approx([0.166667, 0.333333, 0.5, 0.666667])
    assert data["inputs"][0]["name"] == "slip"
    assert data["inputs"][0]["unit"] == "N"
    assert data["failure_types"] == ["collision", "drop", "miss", "timeout"]


def test_ids_follow_from_what_they_name(folder: Path) -> None:
    before = load_model(folder)
    rewrite(folder, lambda data: data["hazard_scaling"].update(slope=0.9))
    after = load_model(folder)
    assert after.model_id == before.model_id
    assert after.calibration_id != before.calibration_id


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(FormatError, match=name):
        load_model(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(FormatError, match=name):
        load_model(folder)


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", [NETWORK, CALIBRATION, TREES, EPISODES])
def test_a_pickle_in_place_of_a_file_is_not_opened(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).write_bytes(pickle.dumps(Payload(tmp_path / "owned")))
    trust(folder, name)
    with pytest.raises(FormatError, match=folder.name):
        load_model(folder)
    assert not (tmp_path / "owned").exists()


def test_yaml_runs_no_code_and_does_not_blow_up(folder: Path, tmp_path: Path) -> None:
    text = (folder / MODEL).read_text()
    owned = tmp_path / "owned"
    (folder / MODEL).write_text(f"!!python/object/apply:pathlib.Path.touch ['{owned}']")
    with pytest.raises(FormatError, match=MODEL):
        load_model(folder)
    (folder / MODEL).write_text(text + "\na: &a [1, 2]\nb: [*a, *a]\n")
    with pytest.raises(FormatError, match="aliases"):
        load_model(folder)
    assert not owned.exists()


def change_trees(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads((folder / TREES).read_text())
    change(data["hazard"])
    (folder / TREES).write_text(json.dumps(data))
    trust(folder, TREES)


@pytest.mark.parametrize(
    ("key", "value"),
    [("left", 10**6), ("right", 0), ("feature", 10**6), ("feature", -1), ("left", 2)],
)
def test_trees_that_point_beyond_themselves(folder: Path, key: str, value: int) -> None:
    change_trees(folder, lambda data: data["trees"][0][key].__setitem__(0, value))
    with pytest.raises(FormatError, match="lead nowhere"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda data: data["trees"].pop(), "one for each"),
        (lambda data: data["trees"].clear(), "one for each"),
        (lambda data: data["trees"][0]["value"].pop(), "different lengths"),
        (lambda data: data["trees"][0].pop("left"), "KeyError"),
        (lambda data: data["trees"].__setitem__(0, 3), "TypeError"),
        (lambda data: data["trees"][0]["value"].__setitem__(0, float("nan")), "finite"),
        (lambda data: data["trees"][0]["value"].__setitem__(0, 1e300), "float32"),
        (lambda data: data["trees"][0]["value"].__setitem__(0, "1"), "finite"),
        (lambda data: data["trees"][0]["left"].__setitem__(0, 1.5), "whole"),
        (lambda data: data["trees"][0]["left"].__setitem__(0, 10**30), "whole"),
        (lambda data: data["base"].pop(), "begin with 5"),
        (lambda data: data.update(features=3), "3 features"),
        (lambda data: data.update(classes=2), "2 classes"),
    ],
)
def test_trees_that_cannot_be(
    folder: Path, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    change_trees(folder, change)
    with pytest.raises(FormatError, match=named):
        load_model(folder)


def test_trees_say_the_same_after_a_round_trip(fitted_model: Model) -> None:
    (trees,) = (m for m in fitted_model.predictor.members if isinstance(m, Trees))
    features = fitted_model.predictor.n_features
    again = Trees.from_json(trees.to_json(), trees.horizons, trees.types, features)
    rows = np.random.default_rng(0).normal(size=(500, features)).astype(np.float32)
    ends = np.array([len(rows)])
    for before, after in zip(trees.logits(rows, ends), again.logits(rows, ends), strict=True):
        assert (before == after).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(folder: Path, value: float) -> None:
    tensors = load_file(folder / NETWORK)
    tensors["0.output.bias"] = np.full_like(tensors["0.output.bias"], value)
    save_file(tensors, folder / NETWORK)
    trust(folder, NETWORK)
    with pytest.raises(FormatError, match="not finite"):
        load_model(folder)


def test_weights_of_another_shape(folder: Path) -> None:
    tensors = load_file(folder / NETWORK)
    tensors["0.output.bias"] = tensors["0.output.bias"][:-1].copy()
    save_file(tensors, folder / NETWORK)
    trust(folder, NETWORK)
    with pytest.raises(FormatError, match=r"output\.bias"):
        load_model(folder)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("format",), 1, "format"),
        (("kind",), "oracle", "kind"),
        (("surprise",), 1, "surprise"),
        (("step_period_s",), 0.1, "step_period_s"),
        (("horizons_steps",), [5, 10, 15, 25], "horizons_steps"),
        (("horizons_s",), [1, 2, 3, 4], "horizons_s"),
        (("failure_types",), ["a", "b", "c", "d"], "failure_types"),
        (("inputs", 0, "name"), "slipp", "slipp"),
        (("inputs", 0, "unit"), "kN", "slip"),
        (("inputs", 0, "scale"), 0.0, "scale"),
        (("inputs", 0, "mean"), float("nan"), "mean"),
        (("inputs",), [], "inputs"),
        (("members", 0, "file"), "../../secret", "members.0.file"),
        (("members", 0, "weight"), 0.01, "weights"),
        (("files", "../../secret"), "00", "secret"),
        (("hazard_scaling", "slope"), -1.0, "slope"),
        (("hazard_scaling", "offset"), [0.0], "offset"),
        (("calibration", "alarm"), [0.5, 0.5, 0.5, 0.5], "alarm"),
        (("calibration", "f1"), [[0.5]], "horizons"),
        (("contract", "step_period"), -1, "step_period"),
        (("contract",), {}, "contract"),
    ],
)
def test_fields_that_cannot_be(
    folder: Path, path: tuple[str | int, ...], value: object, named: str
) -> None:
    def change(data: dict[str, Any]) -> None:
        place: Any = data
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    rewrite(folder, change)
    with pytest.raises(FormatError, match=named):
        load_model(folder)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such model folder"):
        load_model(tmp_path / "nothing")
    with pytest.raises(FormatError, match=MODEL):
        load_model(tmp_path)


def test_saving_leaves_reports_alone_and_removes_what_no_longer_belongs(
    fitted_model: Model, folder: Path
) -> None:
    from dataclasses import replace

    (folder / "report.html").write_text("a report")
    trees = replace(
        fitted_model.predictor, members=fitted_model.predictor.members[1:], weights=(1.0,)
    )
    save_model(replace(fitted_model, predictor=trees, kind="trees"), folder)
    assert not (folder / NETWORK).exists()
    assert (folder / "report.html").read_text() == "a report"
    assert load_model(folder).kind == "trees"


def test_an_interrupted_save_keeps_the_old_model(
    fitted_model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_model(folder).model_id

    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "move", no_space)
    with pytest.raises(OSError, match="space"):
        save_model(fitted_model, folder)
    assert load_model(folder).model_id == before
    assert sorted(p.name for p in folder.iterdir()) == sorted(FILES)


def test_seen_episodes_are_refused(fitted_model: Model, held_data: StepData) -> None:
    from learning import make_data

    fitted_model.require_unseen(make_data(5, seed=9))
    with pytest.raises(FormatError, match="5 of 5"):
        fitted_model.require_unseen(make_data(5))
    fitted_model.require_untrained(held_data)
