"""Reading a store: windows, errors that name path and array, and readers beside a writer."""

import json
import shutil
import threading

import numpy as np
import pytest
import zarr

from salus_data.errors import FormatError, UnknownNameError
from salus_data.faults import CONTRACT, IMAGES, check_noise, noise_episode
from salus_data.store import Store
from salus_data.writer import StoreWriter


def open_writer(path):
    return StoreWriter.open(path, CONTRACT, images=IMAGES, provenance={})


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "set.zarr"
    with open_writer(path) as writer:
        for index in range(4):
            writer.append(*noise_episode(index))
    return path


@pytest.fixture
def store(original, tmp_path):
    """A store of four episodes that a test may break."""
    return Store.open(shutil.copytree(original, tmp_path / "set.zarr"))


def test_episodes_windows_and_whole_arrays_agree(store):
    assert len(store) == 4
    for name in store.names:
        whole = store.read_all(name)
        assert len(whole) == store.n_rows == store.ends[-1]
        pieces = [store.read(name, i) for i in range(4)]
        assert np.concatenate(pieces).tobytes() == whole.tobytes()
        assert store.window(name, 17, 73).tobytes() == whole[17:73].tobytes()
    assert [store.length(i) for i in range(4)] == np.diff(store.ends, prepend=0).tolist()
    assert store.rows(0).start == 0
    assert store.rows(3).stop == store.n_rows


def test_an_empty_store_is_a_store(tmp_path):
    open_writer(tmp_path / "set.zarr").close()
    store = Store.open(tmp_path / "set.zarr")
    assert len(store) == store.n_rows == 0
    assert store.read_all("image_front").shape == (0, 32, 32, 3)


def test_names_and_episodes_that_do_not_exist_are_named_with_those_that_do(store):
    with pytest.raises(UnknownNameError, match="image_front"):
        store.read("image_rear", 0)
    with pytest.raises(UnknownNameError, match=r"0\.\.3"):
        store.read("state", 4)
    with pytest.raises(UnknownNameError):
        store.rows(-1)
    with pytest.raises(FormatError, match=f"{store.n_rows} are committed"):
        store.window("state", 0, store.n_rows + 1)
    with pytest.raises(FormatError):
        store.window("state", -3, 2)


def test_plain_zarr_reads_it_in_the_replay_buffer_layout(store):
    root = zarr.open_group(store.path, mode="r")
    assert root["meta/episode_ends"][:].tolist() == store.ends.tolist()
    assert root["data/state"].shape[0] == store.n_rows
    records = [json.loads(text) for text in root["meta/episodes"][:]]
    assert [record["id"] for record in records] == ["0-0", "0-1", "0-2", "0-3"]


def rewrite_attribute(path, **changes):
    file = path / "zarr.json"
    content = json.loads(file.read_text())
    content["attributes"] |= changes
    file.write_text(json.dumps(content))


def test_another_schema_version_is_refused_and_those_that_work_are_said(store):
    rewrite_attribute(store.path, schema_version=2)
    with pytest.raises(FormatError, match=r"set\.zarr: schema_version is 2; .* reads 1"):
        Store.open(store.path)
    with pytest.raises(FormatError, match="schema_version is 2"):
        open_writer(store.path)


def test_what_is_not_a_store_is_refused(tmp_path, store):
    with pytest.raises(FormatError, match="no such folder"):
        Store.open(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="not a zarr group"):
        Store.open(tmp_path / "empty")
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(FormatError, match="schema_version is missing"):
        Store.open(tmp_path / "other.zarr")
    rewrite_attribute(store.path, contract={"task": "?"})
    with pytest.raises(FormatError, match="attribute contract"):
        Store.open(store.path)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("zarr.json", "zarr.json cannot be parsed"),
        ("data/state/zarr.json", "metadata of data/state cannot be parsed"),
        ("meta/episode_ends/zarr.json", "metadata of meta/episode_ends cannot be parsed"),
    ],
)
def test_metadata_that_is_not_json_is_named(store, file, message):
    (store.path / file).write_text('{"zarr_format": 3, "node_')
    with pytest.raises(FormatError, match=rf"set\.zarr: {message}"):
        Store.open(store.path)


@pytest.mark.parametrize("name", ["data/state", "meta/episodes", "meta/episode_ends"])
def test_a_missing_array_is_named(store, name):
    (store.path / name / "zarr.json").unlink()
    with pytest.raises(FormatError, match=rf"{name} is missing"):
        Store.open(store.path)


@pytest.mark.parametrize("name", ["state", "horizon_labels", "image_front"])
def test_a_truncated_array_is_named(store, name):
    zarr.open_array(store.path / "data" / name, mode="r+").resize(
        (10, *store.array(name).shape[1:])
    )
    with pytest.raises(FormatError, match=rf"data/{name} is truncated: 10 rows, {store.n_rows}"):
        Store.open(store.path)


def test_a_record_that_is_not_json_is_named(store):
    zarr.open_array(store.path / "meta/episodes", mode="r+")[1] = "{"
    with pytest.raises(FormatError, match=r"meta/episodes\[1\]"):
        Store.open(store.path)


@pytest.mark.parametrize("name", ["state", "image_front"])
@pytest.mark.parametrize("damage", ["delete", "truncate"])
def test_a_lost_or_damaged_chunk_is_an_error_and_never_zeros(store, name, damage):
    chunk = next(p for p in (store.path / "data" / name / "c").rglob("*") if p.is_file())
    if damage == "delete":
        chunk.unlink()
    else:
        chunk.write_bytes(chunk.read_bytes()[:40])
    with pytest.raises(FormatError, match=f"data/{name} cannot be read"):
        store.read(name, 0)


def test_refresh_shows_what_was_committed_since(store):
    with open_writer(store.path) as writer:
        writer.append(*noise_episode(4))
        assert len(store) == 4
        store.refresh()
        assert len(store) == 5
        check_noise(store, 0)


def test_rows_beyond_the_commit_do_not_exist_for_a_reader(store):
    rows = store.n_rows
    state = zarr.open_array(store.path / "data/state", mode="r+")
    state.resize((rows + 50, 34))
    ends = zarr.open_array(store.path / "meta/episode_ends", mode="r+")
    ends.resize((5,))  # lengthened by a writer of another make, the end itself not yet written
    fresh = Store.open(store.path)
    assert len(fresh) == 4
    assert len(fresh.read_all("state")) == rows


def test_a_reader_beside_a_writer_sees_whole_episodes_only(tmp_path):
    path = tmp_path / "set.zarr"
    with open_writer(path) as writer:
        writer.append(*noise_episode(0))

        def write():
            for index in range(1, 12):
                writer.append(*noise_episode(index))

        thread = threading.Thread(target=write)
        thread.start()
        seen, checked = set(), 0
        while thread.is_alive():
            store = Store.open(path)
            seen.add(len(store))
            # The last episodes share chunks with the one being written.
            check_noise(store, max(0, len(store) - 2))
            checked += 1
        thread.join()
    assert len(Store.open(path)) == 12
    assert checked > 2
    assert len(seen) > 2
    check_noise(Store.open(path), 0)
