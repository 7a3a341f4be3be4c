"""The command line: exit statuses, help, errors that name the field, value and choice."""

import json
import shutil
from pathlib import Path

import pytest
from command_line import one_line

pytest.importorskip("salus_msgs.msg")

from typer.testing import CliRunner

from salus.bench.harness import Benchmark, Row
from salus.commands import bench
from salus.main import app
from salus_data.faults import CONTRACT, IMAGES, noise_episode
from salus_data.store import Store
from salus_data.writer import StoreWriter

COMMANDS = tuple(command.name for command in app.registered_commands)
BENCHMARKS = tuple(command.name for command in bench.app.registered_commands)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "set.zarr"
    with StoreWriter.open(path, CONTRACT, images=IMAGES, provenance={}) as writer:
        writer.append(*noise_episode(0))
    return path


@pytest.fixture
def store(written, tmp_path):
    return Path(shutil.copytree(written, tmp_path / "set.zarr"))


@pytest.mark.parametrize(
    "command",
    [
        ("bench",),
        *((name,) for name in COMMANDS),
        *(("bench", name) for name in BENCHMARKS),
        ("study", "closed-loop"),
        ("study", "predictor"),
        ("study", "foreseeable"),
        ("study", "compare"),
    ],
)
def test_every_command_has_help(command):
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output
    assert "Exit status" in result.output or command[0] == "bench"


def test_help_gives_units():
    result = CliRunner().invoke(app, ["collect", "--help"], env={"COLUMNS": "150"})
    assert "[px]" in result.output


def test_an_unknown_disturbance_is_named_with_those_that_exist(salus, tmp_path):
    status, _, error = salus("collect", "--out", tmp_path / "o", "--disturbances", "gremlins")
    assert status == 2
    assert "gremlins" in one_line(error)
    assert "fading_grip" in error
    assert not (tmp_path / "o").exists()


def test_an_unknown_policy_is_named_with_those_that_exist(salus, tmp_path):
    status, _, error = salus("collect", "--out", tmp_path / "o", "--policy", "oracle")
    assert status == 2
    assert "oracle" in one_line(error)
    assert "expert" in error


@pytest.mark.parametrize(
    "horizons", ["5,5", "10,5", "0,5", "5,x", "-3", "", "5,99999999999999999999"]
)
def test_an_impossible_list_of_horizons_is_refused_and_changes_nothing(salus, store, horizons):
    before = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    status, _, error = salus("relabel", store, f"--horizons={horizons}")
    assert status == 2
    assert "horizons" in one_line(error)
    assert "5,10,15,20" in error
    assert before == {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}


def test_more_workers_than_episodes_are_refused(salus, tmp_path):
    status, _, error = salus("collect", "--out", tmp_path, "--episodes", 1, "--workers", 2)
    assert status == 2
    assert "--workers is 2" in one_line(error)


def test_a_folder_that_was_collected_with_other_settings_is_refused(salus, store):
    store.rename(store.with_name("w0.zarr"))
    status, _, error = salus("collect", "--out", store.parent, "--seed", 1)
    assert status == 2
    assert "w0.zarr was collected with other settings" in one_line(error)


def test_a_configuration_that_is_no_yaml_is_named(salus, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a: [")
    status, _, error = salus("collect", "--out", tmp_path / "o", "--config", path)
    assert status == 2
    assert f"{path}: not YAML" in one_line(error)
    assert not (tmp_path / "o").exists()


def test_what_the_system_refuses_is_one_line_too(salus, store):
    status, _, error = salus("summary", store, "--out", "/proc/none/page.html")
    assert status == 2
    assert "/proc/none" in one_line(error)


def test_a_folder_of_stores_is_relabelled_whole(salus, store):
    shutil.copytree(store, store.with_name("other.zarr"))
    status, out, _ = salus("relabel", store.parent, "--horizons", "3,6", "--json")
    assert status == 0
    assert [Path(report["path"]).name for report in json.loads(out)] == ["other.zarr", "set.zarr"]
    assert Store.open(store).contract.horizons == (3, 6)


def test_brackets_in_a_path_are_shown_as_they_are(salus, store, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    odd = store.rename(store.with_name("[bold]set.zarr"))
    status, out, _ = salus("doctor", odd)
    assert status == 1
    assert odd.name in out


@pytest.mark.parametrize("command", ["doctor", "relabel", "summary"])
def test_a_store_of_another_version_is_refused(salus, store, command):
    metadata = store / "zarr.json"
    content = json.loads(metadata.read_text())
    content["attributes"]["schema_version"] = 999
    metadata.write_text(json.dumps(content))
    status, out, error = salus(command, store)
    assert status == (1 if command == "doctor" else 2)
    assert "999" in out + error


def test_a_store_that_is_not_there_is_wrong_use(salus, tmp_path):
    status, _, error = salus("doctor", tmp_path / "none.zarr")
    assert status == 2
    assert "none.zarr" in one_line(error)


def test_an_unknown_option_is_wrong_use():
    assert CliRunner().invoke(app, ["collect", "--episode", "3"]).exit_code == 2


def test_the_doctors_report_for_machines_is_json_and_nothing_else(salus, store):
    status, out, _ = salus("doctor", store, "--json")
    assert json.loads(out)["stores"]
    assert status in (0, 1)


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("a", 3.0, "s", "b", 2.0, at_most=1.5), True),
        (Row("a", 3.1, "s", "b", 2.0, at_most=1.5), False),
        (Row("a", 1.7, "s", "b", 1.0, at_least=1.8), False),
        (Row("a", 0, "", at_most=0), True),
        (Row("a", 5.0, "s"), None),
    ],
)
def test_a_benchmark_that_misses_a_target_ends_with_1(row, met):
    assert row.met is met
    assert Benchmark("x", (row,)).exit_status == int(met is False)


def test_the_label_benchmark_prints_json(salus):
    status, out, _ = salus("bench", "labels", "--rounds", "1", "--json")
    result = json.loads(out)
    assert status in (0, 1)
    assert result["facts"]["positive_cells"] == 12_650


def test_signals_are_told_one_by_one_beside_clocks(salus, store):
    status, out, _ = salus("signals", store, "--json", "--replicates", 0)
    cells = json.loads(out)["cells"]
    assert status == 0
    told = {cell["signal"] for cell in cells}
    assert told > {column.name for column in CONTRACT.signals}
    assert told > {"elapsed time", "time since milestone"}
    status, out, _ = salus("signals", store, "--horizon", CONTRACT.horizons[1], "--markdown")
    assert status == 0
    assert f"within {CONTRACT.horizons[1]} steps" in out
    assert "| elapsed time |" in out
    status, _, error = salus("signals", store, "--horizon", 7)
    assert status == 2
    assert "7" in one_line(error)


def test_a_study_of_the_predictor_says_what_it_cannot_use(salus, tmp_path, store):
    status, _, error = salus("study", "predictor", tmp_path / "no", "--test", store)
    assert status == 2
    assert "no such store" in one_line(error)
    given = ("study", "predictor", store, "--test", store, "--out", tmp_path)
    status, _, error = salus(*given, "--seeds", "0,x")
    assert status == 2
    assert "--seeds" in one_line(error)
    status, _, error = salus(*given, "--only", "familys")
    assert status == 2
    assert "families" in one_line(error)
    status, _, error = salus(*given)
    assert status == 1
    assert "seed of the training stores" in one_line(error)
