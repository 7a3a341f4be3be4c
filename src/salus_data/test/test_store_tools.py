"""Merge, info and the page of an episode."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import build_store, make_contract

from salus_data.compare import differences
from salus_data.errors import ContractMismatchError, FormatError, UnknownNameError
from salus_data.info import store_info
from salus_data.merge import merge_stores
from salus_data.show import ShownForecasts, write_episode_page
from salus_data.show.labels import label_bands, runs
from salus_data.show.page import find_episode
from salus_data.store import Store
from salus_data.view import StoreView


@pytest.fixture(scope="module")
def two_stores(tmp_path_factory) -> list[Path]:
    """Episodes 0..2 and 3..5 of one collection."""
    folder = tmp_path_factory.mktemp("two")
    return [
        build_store(folder / f"w{i}.zarr", episodes=3, first_index=3 * i, length=20) for i in (0, 1)
    ]


def test_a_merged_store_holds_the_same(tmp_path, two_stores):
    out = tmp_path / "all.zarr"
    assert merge_stores(two_stores, out) == 6
    assert differences(StoreView(two_stores), StoreView(out)) == []
    assert [record.index for record in Store.open(out).records] == list(range(6))
    provenance = Store.open(out).attributes["provenance"]
    assert [facts["path"] for facts in provenance["merged_from"]] == [str(p) for p in two_stores]


def test_a_merge_without_images_holds_everything_else(tmp_path, two_stores):
    out = tmp_path / "all.zarr"
    assert merge_stores(two_stores, out, drop_images=True) == 6
    whole, left = StoreView(two_stores), StoreView(out)
    shown = {f"image_{camera}" for camera in whole.contract.cameras}
    assert shown
    assert set(whole.names) - set(left.names) == shown
    assert left.contract == replace(whole.contract, cameras=())
    for name in left.names:
        assert np.array_equal(left.read_all(name), whole.read_all(name), equal_nan=True), name


def test_merging_into_something_that_exists_is_refused(tmp_path, two_stores):
    with pytest.raises(FormatError, match="exists"):
        merge_stores(two_stores, two_stores[0])


def test_a_merge_that_fails_leaves_nothing_and_says_why_in_one_line(tmp_path):
    broken = build_store(tmp_path / "w0.zarr", episodes=2, length=20, frame=None)
    next(p for p in (broken / "data" / "state" / "c").rglob("*") if p.is_file()).unlink()
    with pytest.raises(FormatError, match="data/state cannot be read") as error:
        merge_stores([broken], tmp_path / "all.zarr")
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["w0.zarr"]


def test_the_same_index_twice_asks_for_new_numbers(tmp_path):
    one = build_store(tmp_path / "a.zarr", episodes=2, length=20, frame=None)
    other = build_store(
        tmp_path / "b.zarr",
        episodes=2,
        length=20,
        frame=None,
        records={0: {"id": "9-0"}, 1: {"id": "9-1"}},
    )
    with pytest.raises(FormatError, match="--renumber"):
        merge_stores([one, other], tmp_path / "c.zarr")
    merge_stores([one, other], tmp_path / "c.zarr", renumber=True)
    records = Store.open(tmp_path / "c.zarr").records
    assert sorted(record.index for record in records) == [0, 1, 2, 3]
    assert {record.id for record in records} == {"7-0", "7-1", "9-0", "9-1"}


def test_stores_with_other_meanings_are_not_merged(tmp_path, two_stores):
    other = build_store(
        tmp_path / "o.zarr", contract=make_contract(policy="another"), episodes=1, first_index=9
    )
    with pytest.raises(ContractMismatchError, match="policy"):
        merge_stores([two_stores[0], other], tmp_path / "c.zarr")


def test_info_counts_what_is_there(two_stores):
    view = StoreView(two_stores)
    facts = store_info(view)
    assert facts["episodes"] == 6
    assert facts["rows"] == view.n_rows
    assert sum(facts["endings"].values()) == 6
    state = facts["arrays"]["state"]
    assert state["shape"] == [view.n_rows, 34]
    assert state["bytes"] == view.n_rows * 34 * 8
    assert state["bytes_on_disk"] > 0


def test_comparison_finds_one_changed_number(tmp_path, two_stores):
    import zarr

    out = tmp_path / "all.zarr"
    merge_stores(two_stores, out)
    array = zarr.open_group(out, mode="r+")["data/state"]
    array[25, 3] += 1e-12
    found = differences(StoreView(two_stores), StoreView(out))
    assert len(found) == 1
    assert "state differs" in found[0]


def test_the_page_of_an_episode_needs_nothing_else(tmp_path, two_stores):
    view = StoreView(two_stores)
    number = find_episode(view, "7-1")
    text = write_episode_page(view, number, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "7-1" in text
    assert "collision within 20 steps" in text
    assert text.count("data:image/jpeg") >= 2 * view.length(number)
    assert not re.search(r'(src|href)="https?:', text)


def test_forecasts_stand_on_the_page_of_their_episode(tmp_path, two_stores):
    view = StoreView(two_stores)
    contract, length = view.contract, view.length(1)
    shape = (length, len(contract.horizons), len(contract.failure_types))
    probability = np.linspace(0, 1, length * shape[1] * shape[2]).reshape(shape)
    page = tmp_path / "page.html"
    shown = ShownForecasts("my model", probability)
    text = write_episode_page(view, 1, page, shown).read_text(encoding="utf-8")
    assert "<h2>Forecasts</h2>" in text
    assert "my model" in text
    assert text.count(f"within {contract.horizons[-1]} steps") >= len(contract.failure_types)
    with pytest.raises(FormatError, match="my model"):
        write_episode_page(view, 1, page, ShownForecasts("my model", probability[1:]))


def test_an_episode_is_found_by_id_or_index(two_stores):
    view = StoreView(two_stores)
    assert find_episode(view, "4") == find_episode(view, "7-4") == 4
    with pytest.raises(UnknownNameError, match="7-0"):
        find_episode(view, "nobody")


def test_label_bands_show_the_labels(two_stores):
    view = StoreView(two_stores)
    bands = label_bands(view, 1)
    labels = view.read("horizon_labels", 1)
    for band in bands:
        h = view.contract.horizons.index(band.horizon)
        c = view.contract.failure_types.index(band.failure_type)
        steps = [t for first, behind in band.positive for t in range(first, behind)]
        assert steps == np.flatnonzero(labels[:, h, c]).tolist()


def test_runs():
    assert runs(np.array([True, True, False, True])) == ((0, 2), (3, 4))
    assert runs(np.array([False])) == ()
