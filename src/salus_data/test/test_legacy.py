"""Stores of the prototype: reading, relabelling in place, migration."""

import json

import numpy as np
import pytest
import zarr

from salus_data.doctor import Severity, examine
from salus_data.errors import FormatError
from salus_data.faults import CONTRACT, IMAGES, noise_episode
from salus_data.labels import compute_horizon_labels
from salus_data.legacy import LegacyStore, is_legacy
from salus_data.lock import StoreLockedError
from salus_data.migrate import migrate
from salus_data.relabel import relabel_store
from salus_data.store import Store
from salus_data.types import Outcome
from salus_data.writer import StoreWriter

T = 30
TYPES = [0, None, 1, 2, None, 3]
LENGTHS = [30, 30, 25, 30, 12, 30]


def write_legacy(path, *, types=TYPES, lengths=LENGTHS, steps=T, zarr_format=2, images=False):
    """A store as the prototype wrote it: every label is zero."""
    count = len(types)
    generator = np.random.default_rng(0)
    root = zarr.create_group(path, zarr_format=zarr_format)
    for name, width in (("states", 8), ("actions", 7), ("signals", 6)):
        values = generator.normal(size=(count, steps, width)).astype(np.float32)
        root.create_array(name, data=values, chunks=(25, steps, width))
    root.create_array(
        "horizon_labels", data=np.zeros((count, steps, 4, 4), np.float32), chunks=(25, steps, 4, 4)
    )
    if images:
        frames = generator.integers(0, 256, (count, steps, 2, 8, 8, 3), dtype=np.uint8)
        root.create_array("images", data=frames, chunks=(1, steps, 2, 8, 8, 3))
    texts = [
        json.dumps(
            {
                "episode_id": i,
                "success": kind is None,
                "failure_type": kind,
                "episode_length": length,
                "timestamp": "2026-01-03T08:27:00",
            }
        )
        for i, (kind, length) in enumerate(zip(types, lengths, strict=True))
    ]
    metadata = root.create_array("episode_metadata", shape=(count,), dtype=str, chunks=(count,))
    metadata[:] = np.array(texts, dtype=object)
    return path


@pytest.fixture(params=[2, 3], ids=["zarr format 2", "zarr format 3"])
def path(request, tmp_path):
    return write_legacy(tmp_path / "old.zarr", zarr_format=request.param)


def write_new(path, count=3):
    with StoreWriter.open(path, CONTRACT, images=IMAGES, provenance={"by": "test"}) as writer:
        for index in range(count):
            writer.append(*noise_episode(index))
    return path


def snapshot(path):
    files = (p for p in path.rglob("*") if p.is_file() and p.name != "writer.lock")
    return {str(p.relative_to(path)): p.read_bytes() for p in files}


def test_the_prototypes_store_is_read(path):
    store = LegacyStore.open(path)
    assert is_legacy(path)
    assert len(store) == 6
    assert [episode.failure_type for episode in store.episodes] == [0, -1, 1, 2, -1, 3]
    assert store.lengths.tolist() == LENGTHS
    assert store.read("states", 2).shape == (25, 8)  # without the padding


def test_an_assumption_must_be_said_out_loud(path):
    before = snapshot(path)
    for attempt in (
        lambda: relabel_store(path),
        lambda: LegacyStore.open(path).records(None),
        lambda: migrate(path, path.with_name("new.zarr"), step_period=0.1),
    ):
        with pytest.raises(FormatError, match="--event-step last"):
            attempt()
    assert snapshot(path) == before


def test_relabelling_in_place_gives_the_labels_of_the_last_step(path):
    report = relabel_store(path, event_step="last")
    root = zarr.open_group(path, mode="r")
    labels, valid = root["horizon_labels"][:], root["label_valid"][:]
    assert labels.dtype == np.float32  # as the prototype's loader expects
    for episode, (kind, length) in enumerate(zip(TYPES, LENGTHS, strict=True)):
        assert labels[episode].sum() == (0 if kind is None else 5 + 10 + 15 + 20)
        assert not valid[episode, length:].any()
        if kind is not None:
            assert labels[episode, length - 2, :, kind].tolist() == [1, 1, 1, 1]
            assert not valid[episode, length - 1 :].any()
    assert report.legacy
    assert report.positive_cells == report.changed_cells == labels.sum() == 200
    assert report.positive_by_horizon == {5: 20, 10: 40, 15: 60, 20: 80}
    assert report.positive_by_type == {"collision": 50, "drop": 50, "miss": 50, "timeout": 50}


def test_500_prototype_episodes_get_12650_positive_cells(tmp_path):
    types = [*[0] * 66, *[1] * 68, *[2] * 59, *[3] * 60, *[None] * 247]
    path = write_legacy(tmp_path / "old.zarr", types=types, lengths=[200] * 500, steps=200)
    report = relabel_store(path, event_step="last")
    assert report.positive_cells == 12_650
    assert report.positive_by_horizon == {5: 1265, 10: 2530, 15: 3795, 20: 5060}
    assert report.positive_by_type == {
        "collision": 3300,
        "drop": 3400,
        "miss": 2950,
        "timeout": 3000,
    }
    assert report.failures == 253


def test_relabelling_leaves_the_rest_alone_and_says_what_it_did(path):
    before = snapshot(path)
    relabel_store(path, event_step="last")
    relabel_store(path, (3, 6), event_step="last")
    after = snapshot(path)
    untouched = {n for n in before if n.split("/")[0] in ("states", "actions", "signals")}
    assert untouched
    assert all(after[name] == before[name] for name in untouched)
    root = zarr.open_group(path, mode="r")
    assert root["horizon_labels"].shape == (6, T, 2, 4)
    assert dict(root["horizon_labels"].attrs)["label_source"] == "last_step"
    first, second = root.attrs["relabelled"]
    assert first["horizons"] == [5, 10, 15, 20]
    assert second["horizons"] == [3, 6]
    assert "last row" in second["assumption"]
    assert second.keys() >= {"when", "by", "digest"}
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no copies left behind
    assert relabel_store(path, event_step="last").horizons == (3, 6)  # kept unless asked


def test_stale_consolidated_metadata_does_not_hide_new_labels(tmp_path):
    path = write_legacy(tmp_path / "old.zarr", zarr_format=2)
    zarr.consolidate_metadata(path)
    relabel_store(path, (3, 6), event_step="last")
    assert zarr.open_group(path, mode="r")["horizon_labels"].shape == (6, T, 2, 4)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("make", [write_legacy, write_new], ids=["legacy", "new"])
def test_killed_in_the_middle_of_relabelling_leaves_the_old_or_the_new(tmp_path, make, moment):
    path = make(tmp_path / "set.zarr")
    event_step = "last" if make is write_legacy else None
    before = snapshot(path)
    import salus_data.swap as swap

    exchange = swap.exchange

    def die(one, other):
        if moment == "after":
            exchange(one, other)
        raise SystemExit  # what follows does not run, as after a kill

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(swap, "exchange", die)
        patch.setattr(swap.shutil, "rmtree", lambda *args, **kwargs: None)
        with pytest.raises(SystemExit):
            relabel_store(path, (3, 6), event_step=event_step)
    assert len(list(tmp_path.iterdir())) == 2
    if moment == "before":
        assert snapshot(path) == before
    assert relabel_store(path, event_step=event_step).horizons == (
        (5, 10, 15, 20) if moment == "before" else (3, 6)
    )
    assert [p.name for p in tmp_path.iterdir()] == ["set.zarr"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"success": "yes"}, "success is 'yes'"),
        ({"failure_type": 4}, "failure_type of a failed episode is 4; known: 0 collision, 1 drop"),
        ({"failure_type": None}, "failure_type of a failed episode is None"),
        ({"episode_length": 31}, r"episode_length is 31; valid: 1\.\.30"),
        ({"episode_length": 0}, "episode_length is 0"),
    ],
)
def test_metadata_that_cannot_be_is_named_by_episode_and_field(tmp_path, change, message):
    path = write_legacy(tmp_path / "old.zarr")
    metadata = zarr.open_array(path / "episode_metadata", mode="r+")
    text = json.dumps(json.loads(str(metadata[2])) | change)
    metadata[2] = text
    with pytest.raises(FormatError, match=rf"episode_metadata\[2\]: {message}"):
        LegacyStore.open(path)
    metadata[2] = "{"
    with pytest.raises(FormatError, match=r"episode_metadata\[2\]"):
        LegacyStore.open(path)


def test_arrays_that_disagree_are_named(tmp_path):
    path = write_legacy(tmp_path / "old.zarr")
    zarr.open_array(path / "signals", mode="r+").resize((5, T, 6))
    with pytest.raises(FormatError, match=r"signals has shape \(5, 30, 6\)"):
        LegacyStore.open(path)


def test_failure_types_may_be_names(tmp_path):
    path = write_legacy(tmp_path / "old.zarr", types=["drop", None, *[None] * 4])
    assert LegacyStore.open(path).episodes[0].failure_type == 1


def test_relabelling_a_new_store_follows_its_events(tmp_path):
    path = write_new(tmp_path / "new.zarr")
    states = Store.open(path).read_all("state")
    report = relabel_store(path, (2, 7, 30))
    store = Store.open(path)
    labels, valid = compute_horizon_labels(store.ends, store.records, (2, 7, 30), 4)
    assert store.contract.horizons == (2, 7, 30)
    assert np.array_equal(store.read_all("horizon_labels"), labels)
    assert np.array_equal(store.read_all("label_valid"), valid)
    assert np.array_equal(store.read_all("state"), states)
    assert not report.legacy
    assert report.positive_cells == labels.sum() > 0
    assert report.label_source == "physics"
    assert store.attributes["labels"]["digest"] == report.digest
    assert store.attributes["provenance"]["by"] == "test"
    assert store.attributes["provenance"]["relabelled"][0]["horizons"] == [2, 7, 30]


def test_relabelling_repairs_wrong_labels_and_counts_them(tmp_path):
    path = write_new(tmp_path / "new.zarr")
    assert relabel_store(path).changed_cells == 0
    labels = zarr.open_array(path / "data/horizon_labels", mode="r+")
    right = labels[:]
    labels[:] = 0
    report = relabel_store(path)
    assert report.changed_cells == right.sum()
    assert np.array_equal(Store.open(path).read_all("horizon_labels"), right)
    labels.resize((3, 4, 4))
    with pytest.raises(FormatError):
        Store.open(path)
    assert relabel_store(path).changed_cells is None
    assert np.array_equal(Store.open(path).read_all("horizon_labels"), right)


def test_a_relabelled_store_takes_more_episodes_of_its_new_contract(tmp_path):
    path = write_new(tmp_path / "new.zarr")
    relabel_store(path, (3, 6))
    contract = Store.open(path).contract
    with StoreWriter.open(path, contract, images=IMAGES, provenance={}) as writer:
        writer.append(*noise_episode(3))
    store = Store.open(path)
    labels, _ = compute_horizon_labels(store.ends, store.records, (3, 6), 4)
    assert np.array_equal(store.read_all("horizon_labels"), labels)


def test_relabelling_is_refused_where_it_makes_no_sense(tmp_path):
    path = write_new(tmp_path / "new.zarr")
    with pytest.raises(FormatError, match="this one has them"):
        relabel_store(path, event_step="last")
    with pytest.raises(FormatError, match="strictly growing"):
        relabel_store(path, (10, 5))
    with StoreWriter.open(path, CONTRACT, images=IMAGES, provenance={}):  # noqa: SIM117
        with pytest.raises(StoreLockedError):
            relabel_store(path)


def test_migration_keeps_the_data_and_names_what_is_unknown(tmp_path):
    path = write_legacy(tmp_path / "old.zarr", images=True)
    report = migrate(path, tmp_path / "new.zarr", step_period=0.1, event_step="last")
    old, new = LegacyStore.open(path), Store.open(tmp_path / "new.zarr")
    assert (report.episodes, report.rows) == (6, sum(LENGTHS))
    assert report.images == ("camera0", "camera1")
    for i in range(6):
        assert np.array_equal(new.read("state", i), old.read("states", i))
        assert np.array_equal(new.read("action", i), old.read("actions", i))
        assert np.array_equal(new.read("signals", i), old.read("signals", i))
        assert np.array_equal(new.read("image_camera1", i), old.read("images", i)[:, 1])
        assert new.length(i) == LENGTHS[i]
    assert {record.event_source for record in new.records} == {"last_step"}
    assert new.attributes["labels"]["label_source"] == "last_step"
    assert new.records[2].outcome is Outcome.FAILURE
    assert (new.records[2].failure_type, new.records[2].onset_step) == (1, 24)
    assert new.contract.state[3].name == "state.3"
    assert {column.unit for column in new.contract.state} == {"unknown"}
    assert new.read_all("horizon_labels").sum() == 200
    assert (np.diff(new.read_all("stamp")) == 100_000_000).all()


def test_a_migrated_store_is_sound_and_what_it_assumes_are_warnings(tmp_path):
    migrate(
        write_legacy(tmp_path / "old.zarr"),
        tmp_path / "new.zarr",
        step_period=0.1,
        event_step="last",
    )
    report = examine(tmp_path / "new.zarr")
    assert report.ok, report.to_text()
    found = {finding.code for finding in report.of(Severity.WARNING)}
    assert {"event_assumed", "supervisor_not_recorded"} <= found


def test_migration_says_what_it_leaves_out(tmp_path):
    path = write_legacy(tmp_path / "old.zarr")
    zarr.open_group(path, mode="r+").create_array("rewards", data=np.zeros((6, T), np.float32))
    report = migrate(path, tmp_path / "new.zarr", step_period=0.1, event_step="last")
    assert report.left_out == ("rewards",)
    assert Store.open(tmp_path / "new.zarr").attributes["provenance"]["left_out"] == ["rewards"]


def test_migration_never_writes_over_anything_and_leaves_nothing_half_done(tmp_path):
    path = write_legacy(tmp_path / "old.zarr")
    (tmp_path / "taken").mkdir()
    with pytest.raises(FormatError, match="exists"):
        migrate(path, tmp_path / "taken", step_period=0.1, event_step="last")
    states = zarr.open_array(path / "states", mode="r+")
    states[3, 4, 5] = np.nan
    with pytest.raises(FormatError, match=r"row 4, column state\.5 is nan"):
        migrate(path, tmp_path / "new.zarr", step_period=0.1, event_step="last")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["old.zarr", "taken"]


def test_a_new_store_is_not_taken_for_an_old_one(tmp_path):
    path = write_new(tmp_path / "new.zarr", count=1)
    assert not is_legacy(path)
    with pytest.raises(FormatError, match="no store of the prototype"):
        LegacyStore.open(path)
