"""Several stores as one: the same episodes whatever the number of stores."""

from dataclasses import replace

import numpy as np
import pytest

from salus_data.errors import ContractMismatchError, FormatError, UnknownNameError
from salus_data.faults import CONTRACT, IMAGES, noise_episode
from salus_data.store import Store
from salus_data.view import StoreView, store_paths
from salus_data.writer import StoreWriter


def write(path, indices, contract=CONTRACT, images=IMAGES):
    with StoreWriter.open(path, contract, images=images, provenance={}) as writer:
        for index in indices:
            record, arrays = noise_episode(index)
            if images is None:
                arrays = {n: a for n, a in arrays.items() if n != "image_front"}
            writer.append(record, arrays)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six episodes as two workers leave them."""
    folder = tmp_path_factory.mktemp("collection")
    write(folder / "w0.zarr", [0, 2, 5])
    write(folder / "w1.zarr", [4, 1, 3])
    return folder


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """The same six episodes in one store, in order."""
    return Store.open(write(tmp_path_factory.mktemp("single") / "all.zarr", range(6)))


def test_two_stores_read_as_the_one_store_would(folder, single):
    view = StoreView(folder)
    assert [r.to_json() for r in view.records] == [r.to_json() for r in single.records]
    assert view.ends.tolist() == single.ends.tolist()
    assert view.names == single.names
    assert len(view) == 6
    for name in view.names:
        assert view.read_all(name).tobytes() == single.read_all(name).tobytes()
        for episode in range(6):
            assert view.read(name, episode).tobytes() == single.read(name, episode).tobytes()
    assert [view.rows(i) for i in range(6)] == [single.rows(i) for i in range(6)]


def test_any_window_of_rows_crosses_stores(folder, single):
    view = StoreView([folder / "w1.zarr", folder / "w0.zarr"])
    whole = single.read_all("state")
    generator = np.random.default_rng(0)
    for start, stop in np.sort(generator.integers(0, view.n_rows + 1, (60, 2)), axis=1).tolist():
        assert view.window("state", start, stop).tobytes() == whole[start:stop].tobytes()
    assert view.window("state", 5, 5).shape == (0, 34)
    with pytest.raises(FormatError):
        view.window("state", 0, view.n_rows + 1)
    with pytest.raises(UnknownNameError):
        view.read("state", 6)


def test_one_store_out_of_order_is_put_in_order(folder):
    view = StoreView(folder / "w1.zarr")
    assert [record.index for record in view.records] == [1, 3, 4]
    pieces = [noise_episode(i)[1]["state"] for i in (1, 3, 4)]
    assert view.read_all("state").tobytes() == np.concatenate(pieces).tobytes()


def test_an_episode_that_is_in_two_stores_is_refused(folder, tmp_path):
    copy = write(tmp_path / "again.zarr", [3])
    with pytest.raises(FormatError, match=r"0-3 is in .*w1\.zarr and in .*again\.zarr"):
        StoreView([folder, copy])


def test_stores_that_mean_different_things_are_refused(folder, tmp_path):
    slower = write(tmp_path / "slower.zarr", [7], replace(CONTRACT, step_period=0.1))
    with pytest.raises(ContractMismatchError, match=r"slower\.zarr: contracts differ in step"):
        StoreView([folder, slower])
    shorter = write(tmp_path / "shorter.zarr", [8], replace(CONTRACT, horizons=(5, 10)))
    with pytest.raises(ContractMismatchError, match="salus relabel --horizons"):
        StoreView([folder, shorter])


def test_another_policy_may_act_in_another_store(folder, tmp_path):
    other = write(tmp_path / "other.zarr", [9], replace(CONTRACT, policy="other"), images=None)
    view = StoreView([folder, other])
    assert len(view) == 7
    assert "image_front" not in view.names


def test_refresh_shows_what_a_worker_has_committed_since(tmp_path):
    write(tmp_path / "w0.zarr", [0])
    view = StoreView(tmp_path)
    write(tmp_path / "w0.zarr", [1])
    assert len(view) == 1
    view.refresh()
    assert len(view) == 2


def test_what_holds_no_store_is_refused(tmp_path):
    with pytest.raises(FormatError, match="no such folder"):
        store_paths(tmp_path / "nowhere")
    with pytest.raises(FormatError, match="neither a store nor"):
        StoreView(tmp_path)
    with pytest.raises(FormatError, match="no store was given"):
        StoreView([])
