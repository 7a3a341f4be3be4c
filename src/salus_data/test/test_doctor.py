"""The doctor: nothing wrong with a sound store, and one finding for each thing that is broken."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from builders import EPISTEMIC, PLAN, build_store, make_contract

from salus_data.doctor import Report, Severity, examine
from salus_data.labels import label_digest
from salus_data.relabel import relabel_store
from salus_data.signals import ROBOT_SIGNAL_COLUMNS
from salus_data.store import Store
from salus_data.types import FailureType, Outcome

StoreCopy = Callable[[], Path]
SIGNALS = [EPISTEMIC.name, *(column.name for column in ROBOT_SIGNAL_COLUMNS)]


def errors(report: Report) -> set[str]:
    return {finding.code for finding in report.of(Severity.ERROR)}


def warnings(report: Report) -> set[str]:
    return {finding.code for finding in report.of(Severity.WARNING)}


def edit(path: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Replace the values of one array below data/."""
    array = zarr.open_group(path, mode="r+")[f"data/{name}"]
    array = array.with_config({"write_empty_chunks": True})
    values = np.asarray(array[...])
    changed = change(values)
    array[...] = values if changed is None else changed


def edit_record(path: Path, episode: int, **changes: Any) -> None:
    """Change fields of one record, and bring labels and digest into line with it."""
    rewrite_record(path, episode, **changes)
    relabel_store(path)


def rewrite_record(path: Path, episode: int, **changes: Any) -> None:
    """Change fields of one record and nothing else."""
    array = zarr.open_group(path, mode="r+")["meta/episodes"]
    array[episode] = json.dumps(json.loads(str(array[episode])) | changes)


def set_attributes(path: Path, array: str | None = None, **changes: Any) -> None:
    root = zarr.open_group(path, mode="r+")
    (root if array is None else root[f"data/{array}"]).attrs.update(changes)


def first_of(path: Path, outcome: Outcome, kind: int | None = None) -> int:
    """Number of the first episode with that outcome."""
    return next(
        i
        for i, record in enumerate(Store.open(path).records)
        if record.outcome is outcome and kind in (None, record.failure_type)
    )


def test_a_sound_store_has_no_errors_and_no_warnings(sound_store: Path) -> None:
    report = examine(sound_store, strict=True)
    assert [f.code for f in report.findings if f.severity is not Severity.NOTE] == []
    assert report.ok
    assert report.exit_status == 0
    assert report.counts["episodes"] == 16
    assert report.counts["failure_types"] == {0: 2, 1: 2, 2: 2, 3: 2}


def column(values: np.ndarray, name: str) -> np.ndarray:
    return values[:, SIGNALS.index(name)]


def break_state(values: np.ndarray) -> None:
    values[70, 3] = np.nan


def break_action(values: np.ndarray) -> None:
    values[70, 0] = np.inf


def break_signal(values: np.ndarray) -> None:
    column(values, "ee_height")[70] = np.nan


def infinite_signal(values: np.ndarray) -> None:
    column(values, "ee_height")[70] = np.inf


def constant_signal(values: np.ndarray) -> None:
    column(values, "joint_effort")[:] = 0.5


def duplicate_signal(values: np.ndarray) -> None:
    column(values, "ee_speed")[:] = column(values, "tracking_error")


def clone_ensemble(values: np.ndarray) -> None:
    column(values, EPISTEMIC.name)[:] = 0


def action_beyond_limit(values: np.ndarray) -> None:
    values[70, 2] = 0.3


def repeat_stamp(values: np.ndarray) -> None:
    values[40] = values[39]


def stamp_backwards(values: np.ndarray) -> None:
    values[40] = values[38] - 5


def lose_step(values: np.ndarray) -> None:
    values[40:60] += 33_333_333


def clock_restarts(values: np.ndarray) -> None:
    values[60:] -= values[60] - values[0]


def half_rate(values: np.ndarray) -> None:
    values *= 2


def black(values: np.ndarray) -> None:
    values[:70] = 0


def grey(values: np.ndarray) -> None:
    values[:70] = 128


def frozen(values: np.ndarray) -> None:
    values[:60] = values[0]


def zero(values: np.ndarray) -> None:
    values[:] = 0


def shift_classes(values: np.ndarray) -> np.ndarray:
    return np.roll(values, 1, axis=2)


def flip_one_label(values: np.ndarray) -> None:
    values[0, 0, 0] = 1 - values[0, 0, 0]


def two(values: np.ndarray) -> None:
    values[np.nonzero(values)] = 2


def everything_valid(values: np.ndarray) -> None:
    values[:] = True


@pytest.mark.parametrize(
    ("array", "change", "code", "field"),
    [
        ("state", break_state, "not_finite", "state.joint4.position"),
        ("action", break_action, "not_finite", "action.dx"),
        ("signals", break_signal, "nan_without_reason", "signals.ee_height"),
        ("signals", infinite_signal, "not_finite", "signals.ee_height"),
        ("signals", constant_signal, "constant_signal", "signals.joint_effort"),
        ("signals", duplicate_signal, "duplicated_signal", "signals.ee_speed"),
        ("signals", clone_ensemble, "ensemble_of_clones", "signals.epistemic_mean"),
        ("action", action_beyond_limit, "action_out_of_limits", "action.dz"),
        ("supervisor_state", zero, "supervisor_unknown", "supervisor_state"),
        ("stamp", repeat_stamp, "stamp_repeated", "stamp"),
        ("stamp", stamp_backwards, "stamp_backwards", "stamp"),
        ("stamp", lose_step, "step_spacing", "stamp"),
        ("stamp", clock_restarts, "stamp_overlaps", "stamp"),
        ("stamp", half_rate, "step_spacing", "stamp"),
        ("image_front", black, "camera_black", "image_front"),
        ("image_wrist", grey, "camera_constant", "image_wrist"),
        ("image_front", frozen, "camera_frozen", "image_front"),
        ("horizon_labels", zero, "labels_all_zero", "horizon_labels"),
        ("horizon_labels", shift_classes, "class_shifted", "horizon_labels"),
        ("horizon_labels", flip_one_label, "labels_disagree", "horizon_labels"),
        ("horizon_labels", flip_one_label, "labels_without_failure", "horizon_labels"),
        ("horizon_labels", two, "label_value", "horizon_labels"),
        ("label_valid", everything_valid, "validity_disagrees", "label_valid"),
        ("signal_validity", zero, "value_without_validity", f"signals.{SIGNALS[0]}"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_broken_values_are_errors(
    store_copy: StoreCopy, array: str, change: Callable[[Any], Any], code: str, field: str
) -> None:
    path = store_copy()
    edit(path, array, change)
    report = examine(path)
    found = [finding for finding in report.of(Severity.ERROR) if finding.code == code]
    assert field in {finding.field for finding in found}
    assert report.exit_status == 1
    first = next(finding for finding in found if finding.field == field)
    assert first.store == str(path)
    assert first.message
    assert first.advice


def test_a_finding_names_episode_and_step(store_copy: StoreCopy) -> None:
    path = store_copy()
    edit(path, "state", break_state)
    store = Store.open(path)
    episode = int(np.searchsorted(store.ends, 70, side="right"))
    (finding,) = [f for f in examine(path).findings if f.code == "not_finite"]
    assert finding.episode == store.records[episode].id
    assert finding.step == 70 - store.rows(episode).start


@pytest.mark.parametrize(
    ("outcome", "changes", "code", "field"),
    [
        (Outcome.FAILURE, {"onset_step": 5000}, "onset_out_of_range", "onset_step"),
        (Outcome.FAILURE, {"onset_step": 0}, "onset_out_of_range", "onset_step"),
        (Outcome.FAILURE, {"confirm_step": 3}, "confirm_out_of_range", "confirm_step"),
        (Outcome.FAILURE, {"failure_type": -1}, "class_unknown", "failure_type"),
        (Outcome.FAILURE, {"failure_type": 4}, "class_unknown", "failure_type"),
        (Outcome.FAILURE, {"failure_type": 3}, "class_contradicted", "timeout_kind"),
        (Outcome.FAILURE, {"bodies": []}, "class_contradicted", "bodies"),
        (Outcome.SUCCESS, {"failure_type": 2}, "outcome_contradicted", "failure_type"),
        (Outcome.SUCCESS, {"outcome": "DISCARDED"}, "episode_discarded", "outcome"),
        (Outcome.SUCCESS, {"milestones": [["grasped", 900]]}, "step_out_of_range", None),
        (Outcome.SUCCESS, {"first_intervention_step": 8}, "intervention_disagrees", None),
        (Outcome.SUCCESS, {"id": "7-1"}, "duplicate_id", "id"),
        (Outcome.SUCCESS, {"outcome": "GLORY"}, "record_invalid", None),
        (Outcome.SUCCESS, {"surprise": 1}, "record_invalid", None),
    ],
)
def test_broken_records_are_errors(
    store_copy: StoreCopy, outcome: Outcome, changes: dict[str, Any], code: str, field: str | None
) -> None:
    path = store_copy()
    kind = int(FailureType.COLLISION) if outcome is Outcome.FAILURE else None
    rewrite_record(path, first_of(path, outcome, kind), **changes)
    report = examine(path)
    found = [finding for finding in report.of(Severity.ERROR) if finding.code == code]
    assert found
    assert field is None or field in {finding.field for finding in found}
    assert report.exit_status == 1


def test_an_episode_that_runs_on_is_an_error(store_copy: StoreCopy) -> None:
    path = store_copy()
    episode = first_of(path, Outcome.SUCCESS)
    record = Store.open(path).records[episode]
    edit_record(path, episode, confirm_step=record.onset_step)
    assert errors(examine(path)) == {"episode_runs_on"}


def test_events_that_changed_after_labelling_are_an_error(store_copy: StoreCopy) -> None:
    path = store_copy()
    episode = first_of(path, Outcome.FAILURE)
    onset = Store.open(path).records[episode].onset_step
    rewrite_record(path, episode, onset_step=onset - 1)
    assert {"labels_disagree", "label_digest"} <= errors(examine(path))


def test_labels_of_another_digest_are_an_error(store_copy: StoreCopy) -> None:
    path = store_copy()
    set_attributes(path, "horizon_labels", digest="0123456789abcdef")
    assert errors(examine(path)) == {"label_digest"}


def test_a_killed_writer_leaves_a_sound_store(store_copy: StoreCopy) -> None:
    path = store_copy()
    store = Store.open(path)
    digest = label_digest(store.ends[:4], store.records[:4], store.contract.horizons)
    set_attributes(path, "horizon_labels", digest=digest, digest_episodes=4)
    assert examine(path).ok


@pytest.mark.parametrize(
    ("source", "severity", "code"),
    [
        ("dummy", Severity.ERROR, "label_source_dummy"),
        ("made up", Severity.ERROR, "label_source_unknown"),
        ("last_step", Severity.WARNING, "events_assumed"),
    ],
)
def test_label_sources(store_copy: StoreCopy, source: str, severity: Severity, code: str) -> None:
    path = store_copy()
    set_attributes(path, "horizon_labels", label_source=source)
    report = examine(path)
    assert (severity, code) in {(finding.severity, finding.code) for finding in report.findings}
    assert report.ok == (severity is Severity.WARNING)
    assert not examine(path, strict=True).ok


def test_horizons_that_disagree_are_an_error(store_copy: StoreCopy) -> None:
    path = store_copy()
    set_attributes(path, "horizon_labels", horizons=[5, 10, 15, 30])
    assert errors(examine(path)) == {"horizons_disagree"}


def test_an_ensemble_of_one_is_an_error(tmp_path: Path) -> None:
    path = build_store(tmp_path / "one.zarr", contract=make_contract(ensemble_size=1))
    assert errors(examine(path)) == {"ensemble_of_one"}


def test_one_camera_under_two_names_is_an_error(store_copy: StoreCopy) -> None:
    path = store_copy()
    front = zarr.open_group(path, mode="r")["data/image_front"][...]
    edit(path, "image_wrist", lambda _: front)
    assert errors(examine(path)) == {"camera_duplicated"}


def test_a_camera_that_freezes_for_half_a_second_is_an_error(store_copy: StoreCopy) -> None:
    path = store_copy()

    def freeze(values: np.ndarray) -> None:
        values[20:36] = values[20]

    edit(path, "image_wrist", freeze)
    (finding,) = [f for f in examine(path).findings if f.code == "camera_frozen"]
    assert finding.field == "image_wrist"
    assert finding.step == 20


def test_a_frozen_camera_is_sound_while_the_robot_rests(store_copy: StoreCopy) -> None:
    path = store_copy()
    edit(path, "image_front", frozen)

    def rest(values: np.ndarray) -> None:
        values[:60, 27:30] = values[0, 27:30]

    edit(path, "state", rest)
    assert "camera_frozen" not in errors(examine(path))


def test_a_pose_that_only_trembles_is_no_motion(store_copy: StoreCopy) -> None:
    path = store_copy()
    edit(path, "image_front", frozen)

    def tremble(values: np.ndarray) -> None:
        noise = np.random.default_rng(0).normal(0, 0.006, (60, 3))
        values[:60, 27:30] = values[0, 27:30] + noise

    edit(path, "state", tremble)
    assert "camera_frozen" not in errors(examine(path))


def test_failures_only_or_successes_only_are_an_error(tmp_path: Path) -> None:
    only = build_store(tmp_path / "s.zarr", plan=[PLAN[0]], episodes=3, frame=None)
    assert errors(examine(only)) == {"one_class", "positive_ratio"}
    relaxed = examine(only, min_positive_ratio=0)
    assert relaxed.ok
    assert "one_class" in warnings(relaxed)
    assert "one_class" in errors(
        examine(build_store(tmp_path / "f.zarr", plan=[PLAN[1]], episodes=3, frame=None))
    )


def test_the_positive_ratio_is_that_of_the_whole_set(sound_store: Path) -> None:
    ratio = examine(sound_store).counts["positive_ratio"]
    assert examine(sound_store, min_positive_ratio=ratio * 0.99).ok
    assert errors(examine(sound_store, min_positive_ratio=ratio * 1.01)) == {"positive_ratio"}


def test_an_episode_recorded_twice_is_an_error_across_stores(tmp_path: Path) -> None:
    paths = [
        build_store(tmp_path / "a.zarr", frame=None),
        build_store(
            tmp_path / "b.zarr", frame=None, first_index=8, records={3: {"seed": 1003, "id": "x"}}
        ),
    ]
    assert examine(paths).ok
    assert errors(examine([paths[0], shutil.copytree(paths[0], tmp_path / "c.zarr")])) == {
        "duplicate_id",
        "duplicate_episode",
    }


def test_stores_that_mean_different_things_are_an_error(tmp_path: Path) -> None:
    build_store(tmp_path / "a.zarr", frame=None)
    contract = make_contract(horizons=(5, 10))
    build_store(tmp_path / "b.zarr", frame=None, first_index=8, contract=contract)
    assert errors(examine(tmp_path)) == {"contracts_differ"}


def remove(*parts: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        target = path.joinpath(*parts)
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return change


def write(text: str, *parts: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.joinpath(*parts).write_text(text)

    return change


def truncate_array(path: Path) -> None:
    array = zarr.open_group(path, mode="r+")["data/action"]
    array.resize((40, array.shape[1]))


def other_version(path: Path) -> None:
    set_attributes(path, schema_version=99)


def no_contract(path: Path) -> None:
    set_attributes(path, contract=None)


def contract_without_signals(path: Path) -> None:
    contract = dict(zarr.open_group(path, mode="r").attrs["contract"])
    del contract["signals"]
    set_attributes(path, contract=contract)


def renamed_types(path: Path) -> None:
    contract = dict(zarr.open_group(path, mode="r").attrs["contract"])
    contract["failure_types"] = ["drop", "collision", "miss", "timeout"]
    set_attributes(path, contract=contract)


def one_signal_fewer(path: Path) -> None:
    root = zarr.open_group(path, mode="r+")
    values = root["data/signals"][...]
    root.create_array("data/signals", data=values[:, 1:], overwrite=True)


def ends_go_back(path: Path) -> None:
    array = zarr.open_group(path, mode="r+")["meta/episode_ends"]
    array[5] = 3


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (remove("zarr.json"), "not_a_store"),
        (write("{", "zarr.json"), "not_a_store"),
        (remove("data", "action"), "array_missing"),
        (remove("data", "stamp", "zarr.json"), "array_missing"),
        (remove("data", "horizon_labels"), "array_missing"),
        (remove("data", "state", "c", "0"), "array_unreadable"),
        (write("noise", "data", "state", "c", "0", "0"), "array_unreadable"),
        (write("{", "data", "signals", "zarr.json"), "array_unreadable"),
        (remove("data", "image_front", "c", "0"), "array_unreadable"),
        (remove("data"), "array_missing"),
        (remove("meta", "episodes"), "array_missing"),
        (remove("meta", "episode_ends"), "array_missing"),
        (truncate_array, "array_truncated"),
        (other_version, "schema_version"),
        (no_contract, "contract_missing"),
        (contract_without_signals, "contract_invalid"),
        (renamed_types, "class_names"),
        (one_signal_fewer, "array_shape"),
        (ends_go_back, "episode_ends"),
    ],
)
def test_a_broken_store_is_a_finding_and_never_a_crash(
    store_copy: StoreCopy, change: Callable[[Path], None], code: str
) -> None:
    path = store_copy()
    change(path)
    report = examine(path)
    assert code in errors(report)
    assert report.exit_status == 1
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["ok"] is False


def test_labels_zeroed_by_another_tool_are_named_as_such(store_copy: StoreCopy) -> None:
    """zarr drops chunks of the fill value, which zeros therefore must not be."""
    path = store_copy()
    labels = zarr.open_group(path, mode="r+")["data/horizon_labels"]
    labels[...] = 0
    found = errors(examine(path))
    assert "labels_all_zero" in found
    assert "array_unreadable" not in found


def test_a_path_that_does_not_exist_is_a_finding(tmp_path: Path) -> None:
    assert errors(examine(tmp_path / "nowhere.zarr")) == {"not_a_store"}


def test_the_report_reads_well(store_copy: StoreCopy) -> None:
    path = store_copy()
    edit(path, "horizon_labels", zero)
    text = examine(path).to_text()
    assert "labels_all_zero" in text
    assert "8 of 16 episodes failed" in text
    assert "salus relabel" in text
    assert text.splitlines()[-1].startswith("unsound: ")


def test_an_index_that_was_filled_in_later_is_no_clock_that_ran_backwards(tmp_path: Path) -> None:
    from salus_data.writer import StoreWriter

    whole = Store.open(build_store(tmp_path / "whole.zarr", frame=None))
    names = [n for n in whole.names if n not in ("horizon_labels", "label_valid")]
    resumed = tmp_path / "resumed.zarr"
    order = [1, 0, *range(2, len(whole.records))]
    with StoreWriter.open(resumed, whole.contract, images=None, provenance={}) as writer:
        for i in order:
            writer.hold(whole.records[i], {name: whole.read(name, i) for name in names})
    codes = {finding.code for finding in examine(resumed).findings}
    assert "stamp_overlaps" not in codes
