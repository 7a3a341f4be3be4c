"""Writing a store: what goes in comes out; what does not fit is refused with nothing written."""

from dataclasses import replace

import numpy as np
import pytest

from salus_data.contract import Column
from salus_data.doctor import examine
from salus_data.errors import ContractMismatchError, FormatError
from salus_data.faults import CONTRACT, IMAGES, check_noise, noise_episode
from salus_data.lock import StoreLockedError
from salus_data.store import Store
from salus_data.types import Outcome, Validity
from salus_data.validation import check_record
from salus_data.writer import StoreWriter


@pytest.fixture
def path(tmp_path):
    return tmp_path / "set.zarr"


def open_writer(path, contract=CONTRACT, images=IMAGES, **sizes):
    return StoreWriter.open(path, contract, images=images, provenance={"seed": 3}, **sizes)


def fill(path, count, first=0):
    with open_writer(path) as writer:
        for index in range(first, first + count):
            writer.append(*noise_episode(index))


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A writer with one episode in its store, for tests that only try to append."""
    with open_writer(tmp_path_factory.mktemp("writer") / "set.zarr") as writer:
        writer.append(*noise_episode(1))
        yield writer


def tree(path):
    """Content of every file, to see that nothing was touched."""
    files = (p for p in path.rglob("*") if p.is_file() and p.name != "writer.lock")
    return {p.relative_to(path): p.read_bytes() for p in files}


def test_what_is_written_is_read_back_bitwise(path):
    fill(path, 25)  # about 1,000 rows: several image chunks, two shards
    store = Store.open(path)
    assert len(store) == 25
    assert store.n_rows == sum(len(noise_episode(i)[1]["stamp"]) for i in range(25))
    check_noise(store, 0)


def test_episodes_that_are_held_appear_together_and_are_the_same(path, tmp_path):
    with open_writer(path) as writer:
        for index in range(3):
            writer.hold(*noise_episode(index))
        assert len(Store.open(path)) == 0
        with pytest.raises(FormatError, match="already in the store"):
            writer.hold(*noise_episode(1))
        writer.commit()
        assert len(Store.open(path)) == 3
        writer.append(*noise_episode(3))
    single = tmp_path / "single.zarr"
    fill(single, 4)
    together, one_by_one = Store.open(path), Store.open(single)
    check_noise(together, 0)
    for name in one_by_one.names:
        assert together.read_all(name).tobytes() == one_by_one.read_all(name).tobytes()


def test_a_block_that_fails_commits_nothing_that_is_held(path):
    def interrupted():
        with open_writer(path) as writer:
            writer.append(*noise_episode(0))
            writer.hold(*noise_episode(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(Store.open(path)) == 1


def test_reopening_appends_and_knows_what_is_there(path):
    fill(path, 2)
    with open_writer(path) as writer:
        assert writer.committed == {0, 1}
        writer.append(*noise_episode(2))
        assert writer.committed == {0, 1, 2}
    check_noise(Store.open(path), 0)


def test_the_root_says_how_the_store_came_about(path):
    fill(path, 3)
    attributes = Store.open(path).attributes
    assert attributes["schema_version"] == 1
    assert attributes["provenance"] == {"seed": 3}
    assert attributes["versions"].keys() == {"salus", "mujoco", "lerobot", "zarr", "numpy"}
    assert attributes["labels"]["label_source"] == "physics"
    assert attributes["labels"]["horizons"] == [5, 10, 15, 20]
    assert attributes["labels"]["digest_episodes"] == 3
    assert Store.open(path).contract == CONTRACT


def test_columns_and_units_can_be_read_without_salus(path):
    fill(path, 1)
    attributes = dict(Store.open(path).array("signals").attrs)
    assert attributes == {"columns": ["effort", "speed"], "units": ["N", "m/s"]}


def test_optional_arrays_are_there_only_when_asked_for(path):
    with open_writer(path, images=None, embedding_size=3, sim_state_size=2) as writer:
        record, arrays = noise_episode(0)
        del arrays["image_front"]
        n_rows = len(arrays["stamp"])
        arrays |= {"embedding": np.ones((n_rows, 3), np.float32), "sim_state": np.ones((n_rows, 2))}
        writer.append(record, arrays)
    store = Store.open(path)
    assert "image_front" not in store.names
    assert store.read("embedding", 0).dtype == np.float16
    assert store.read("sim_state", 0).shape == (n_rows, 2)


def test_a_second_writer_is_refused_and_told_who_holds_the_store(path):
    with open_writer(path), pytest.raises(StoreLockedError, match='"pid"'):
        open_writer(path)
    open_writer(path).close()


def test_another_contract_is_refused_by_name_of_the_field(path):
    fill(path, 1)
    for change in (
        {"step_period": 0.1},
        {"horizons": (5, 10)},
        {"policy": "other"},
        {"signals": (Column("effort", "mN"), Column("speed", "m/s", True))},
    ):
        (field,) = change
        with pytest.raises(ContractMismatchError, match=f"written with {field}"):
            open_writer(path, replace(CONTRACT, **change))
    with pytest.raises(ContractMismatchError, match="image_front"):
        open_writer(path, images={"front": (16, 32)})
    with pytest.raises(ContractMismatchError, match=r"embedding.*absent"):
        open_writer(path, embedding_size=4)


def test_images_must_be_of_the_contracts_cameras(path):
    with pytest.raises(FormatError, match="wrist"):
        open_writer(path, images={"wrist": (32, 32)})
    assert not path.exists()


def test_a_folder_that_is_no_store_is_left_alone(path):
    path.mkdir()
    (path / "thesis.txt").write_text("do not touch")
    with pytest.raises(FormatError, match="not a zarr group"):
        open_writer(path)
    assert [p.name for p in path.iterdir()] == ["thesis.txt"]


def changed(name, change):
    """A noise episode of which one array is changed."""
    record, arrays = noise_episode(0)
    values = arrays[name].copy()
    return record, arrays | {name: change(values)}


def put(values, place, value):
    values[place] = value
    return values


BAD_ARRAYS = {
    "short": (changed("action", lambda a: a[:-1]), "action has shape"),
    "narrow": (changed("state", lambda a: a[:, :-1]), r"state has shape .* expected \(\d+, 34\)"),
    "nan": (changed("state", lambda a: put(a, (3, 28), np.nan)), "row 3, column ee.y is nan"),
    "nan action": (changed("action", lambda a: put(a, (1, 6), np.nan)), "column gripper is nan"),
    "infinite": (changed("perceived", lambda a: put(a, (2, 0), np.inf)), "object.x is inf"),
    "float images": (changed("image_front", lambda a: a / 255), "image_front is float64"),
    "unknown code": (changed("supervisor_state", lambda a: put(a, 4, 9)), "row 4 is 9; known"),
    "wide integer": (changed("chunk_phase", lambda a: put(a.astype(int), 0, 70_000)), "not fit"),
    "stamps": (changed("stamp", lambda a: put(a, 5, a[4])), "stamp does not grow at row 5"),
    "nan without reason": (
        changed("signals", lambda a: put(a, (4, 0), np.nan)),
        "row 4, effort is nan, but its signal_validity is VALID",
    ),
    "reason without nan": (
        changed("signal_validity", lambda a: put(a, (4, 1), Validity.NO_ENSEMBLE)),
        "NO_ENSEMBLE",
    ),
    "empty": (
        (noise_episode(0)[0], {n: a[:0] for n, a in noise_episode(0)[1].items()}),
        "no rows",
    ),
    "unknown array": (
        (noise_episode(0)[0], noise_episode(0)[1] | {"depth": np.zeros(3)}),
        r"unknown arrays \['depth'\]",
    ),
    "missing array": (
        (noise_episode(0)[0], {n: a for n, a in noise_episode(0)[1].items() if n != "state"}),
        r"missing arrays \['state'\]",
    ),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_arrays_that_do_not_fit_are_refused_and_nothing_is_written(busy, case):
    (record, arrays), message = BAD_ARRAYS[case]
    before = tree(busy.path)
    with pytest.raises(FormatError, match=message):
        busy.append(record, arrays)
    assert tree(busy.path) == before


def test_a_refused_episode_does_not_stop_the_collection(path):
    (record, arrays), _ = BAD_ARRAYS["nan"]
    with open_writer(path) as writer:
        with pytest.raises(FormatError):
            writer.append(record, arrays)
        writer.append(*noise_episode(0))
    check_noise(Store.open(path), 0)


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": Outcome.UNKNOWN},
        {"outcome": Outcome.DISCARDED},
        {"outcome": Outcome.FAILURE, "failure_type": 4},
        {"outcome": Outcome.FAILURE, "failure_type": -1},
        {"outcome": Outcome.SUCCESS, "failure_type": 0},
        {"onset_step": 500},
        {"onset_step": -2},
        {"confirm_step": 0},
        {"confirm_step": 500},
        {"first_intervention_step": 500},
        {"milestones": (("grasped", 500),)},
        {"idle_steps": 500},
        {"index": -1},
        {"id": ""},
    ],
)
def test_records_that_contradict_themselves_are_refused_by_field(busy, change):
    record, arrays = noise_episode(0)
    good = replace(record, outcome=Outcome.TRUNCATED, failure_type=-1)
    field = list(change)[-1]
    with pytest.raises(FormatError, match=f"{field} is"):
        busy.append(replace(good, **change), arrays)
    check_record(good, len(arrays["stamp"]), CONTRACT.failure_types)


def test_an_episode_enters_once(path):
    record, arrays = noise_episode(0)
    with open_writer(path) as writer:
        writer.append(record, arrays)
        with pytest.raises(FormatError, match="already in the store"):
            writer.append(replace(record, index=7), arrays)
        with pytest.raises(FormatError, match="already in the store"):
            writer.append(replace(record, id="other"), arrays)
    assert len(Store.open(path)) == 1


def test_smooth_frames_pack_to_a_twelfth_without_loss(path):
    n_rows, size = 64, 128
    down, right = np.mgrid[:size, :size]
    frames = np.zeros((n_rows, size, size, 3), np.uint8)
    frames[...] = np.stack([down, right, (down + right) // 2], axis=-1) // 2 + 40
    for row in range(n_rows):
        frames[row, 40:60, row : row + 20] = (200, 40, 30)
    record, arrays = noise_episode(0)
    arrays = {name: np.repeat(a[:1], n_rows, axis=0) for name, a in arrays.items()}
    arrays |= {"stamp": np.arange(n_rows), "image_front": frames}
    with open_writer(path, images={"front": (size, size)}) as writer:
        writer.append(record, arrays)
    files = [p for p in (path / "data/image_front").rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) <= frames.nbytes / 12
    assert np.array_equal(Store.open(path).read("image_front", 0), frames)


def test_a_writer_that_is_killed_leaves_labels_that_say_where_they_come_from(path):
    writer = open_writer(path)
    writer.append(*noise_episode(0))
    writer.append(*noise_episode(1))  # and never closed
    assert Store.open(path).array("horizon_labels").attrs["label_source"] == "physics"
    assert not [f for f in examine([path]).findings if "label_source" in (f.field or "")]
