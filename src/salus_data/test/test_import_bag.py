"""Bags to stores: equal to what was recorded, and every loss has an episode and a reason."""

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from bag_builders import Item, Messages, bag_items, drawn_episodes, write_bag, write_sqlite_bag

from salus_data.bags.importing import import_bags
from salus_data.bags.report import ImportReport
from salus_data.errors import FormatError
from salus_data.store import Store

PERIOD = 1 / 30


@pytest.fixture(scope="module")
def recorded():
    """A contract, three episodes and their messages."""
    contract, made = drawn_episodes()
    return contract, made, bag_items(contract, made)


def imported(tmp_path: Path, items: Sequence[Item], **options) -> tuple[ImportReport, Path]:
    bag = write_bag(tmp_path / "bag", items, **options)
    store = tmp_path / "store.zarr"
    return import_bags([bag], store), store


def reasons(report: ImportReport) -> dict[str, str]:
    return {loss.episode: loss.reason for loss in report.lost}


def expect_equal(store: Path, made) -> None:
    opened = Store.open(store)
    assert [repr(r) for r in opened.records] == [repr(record) for record, _ in made]
    for number, (_, arrays) in enumerate(made):
        for name, values in arrays.items():
            read = opened.read(name, number)
            assert read.dtype == values.dtype, name
            assert read.tobytes() == values.tobytes(), name


def test_every_array_comes_back_bitwise(tmp_path, recorded):
    contract, made, items = recorded
    report, store = imported(tmp_path, items)
    assert report.complete
    assert report.rows == sum(len(a["stamp"]) for _, a in made)
    assert Store.open(store).contract == contract
    expect_equal(store, made)


def test_the_embedding_comes_back_bitwise(tmp_path):
    contract, made = drawn_episodes(2, embedding=True)
    report, store = imported(tmp_path, bag_items(contract, made))
    assert report.complete
    expect_equal(store, made)


def test_an_embedding_that_lacks_one_message_loses_the_episode(tmp_path):
    contract, made = drawn_episodes(2, embedding=True)
    items = bag_items(contract, made)
    gone = next(i for i, item in enumerate(items) if item.topic == "embedding")
    report, _ = imported(tmp_path, items[:gone] + items[gone + 1 :])
    assert reasons(report) == {"7-0": "messages missing (embedding 1), first at step 0"}


def test_sqlite_bags_are_read_too(tmp_path, recorded):
    _, made, items = recorded
    report = import_bags([write_sqlite_bag(tmp_path / "bag", items)], tmp_path / "s.zarr")
    assert report.complete
    expect_equal(tmp_path / "s.zarr", made)


def test_reordered_messages_join_all_the_same(tmp_path, recorded):
    _, made, items = recorded
    random = np.random.default_rng(3)
    order = np.argsort(np.arange(len(items)) + random.uniform(0, 60, len(items)))
    report, store = imported(tmp_path, [items[i] for i in order])
    assert report.complete
    opened = Store.open(store)
    for record, arrays in made:
        number = [r.id for r in opened.records].index(record.id)
        assert opened.read("state", number).tobytes() == arrays["state"].tobytes()


def test_equal_duplicates_are_ignored_and_counted(tmp_path, recorded):
    _, made, items = recorded
    report, store = imported(tmp_path, [i for item in items for i in (item, item)])
    assert not report.lost
    assert report.duplicated > 0
    expect_equal(store, made)


def test_two_different_values_of_one_row_are_never_decided(tmp_path, recorded):
    _, _, items = recorded
    at = next(i for i, item in enumerate(items) if item.topic == "joint_states")
    other = [i for i in items if i.topic == "joint_states"][1]
    same_stamp = other._replace(data=items[at].data[:12] + other.data[12:])
    report, _ = imported(tmp_path, [*items[: at + 1], same_stamp, *items[at + 1 :]])
    assert list(reasons(report)) == ["7-0"]
    assert "two different values of joints" in reasons(report)["7-0"]
    assert report.imported == ["7-1", "7-2"]


@pytest.mark.parametrize(
    "topic", ["joint_states", "perceived", "action", "uncertainty", "camera/front/image_raw"]
)
def test_one_dropped_message_loses_one_episode_and_says_where(tmp_path, recorded, topic):
    _, _, items = recorded
    places = [i for i, item in enumerate(items) if item.topic == topic]
    gone = places[12 + 4]  # step 4 of the second episode
    report, _ = imported(tmp_path, items[:gone] + items[gone + 1 :])
    assert report.imported == ["7-0", "7-2"]
    assert "first at step 4" in reasons(report)["7-1"]


def test_a_missing_topic_is_named(tmp_path, recorded):
    _, _, items = recorded
    report, _ = imported(tmp_path, [i for i in items if i.topic != "ee_pose"])
    assert not report.imported
    assert all("ee 1" in reason for reason in reasons(report).values())
    assert any("/salus/ee_pose: the bag does not have this topic" in p for _, p in report.problems)


def test_start_and_end_that_are_missing(tmp_path, recorded):
    _, _, items = recorded
    events = [i for i, item in enumerate(items) if item.topic == "episode"]
    keep = [item for i, item in enumerate(items) if i not in (events[0], events[-1])]
    report, _ = imported(tmp_path, keep)
    assert report.imported == ["7-1"]
    assert "its start is not in the bag" in reasons(report)["7-0"]
    assert "its end is not in the bag" in reasons(report)["7-2"]


def test_an_end_that_was_altered_is_refused_by_its_checksum(tmp_path, recorded):
    _, made, items = recorded
    messages = Messages()
    bag = write_bag(tmp_path / "bag", items)
    wrong, arrays = made[0][0], made[0][1]
    lie = messages.event(
        type(wrong)(**{**vars(wrong), "failure_type": 2}), 3, int(arrays["stamp"][-1]), 12
    )
    ends = [i for i, item in enumerate(items) if item.topic == "episode"]
    lying = [lie if i == ends[1] else item for i, item in enumerate(items)]
    other = write_bag(tmp_path / "other", lying)
    shutil.copy(bag / "metadata.yaml", other / "metadata.yaml")
    (other / "other.mcap").rename(other / "bag.mcap")
    report = import_bags([other], tmp_path / "s.zarr")
    assert "checksum" in reasons(report)["7-0"]
    assert report.imported == ["7-1", "7-2"]


def test_two_ends_that_contradict_each_other(tmp_path, recorded):
    _, made, items = recorded
    record, arrays = made[2]
    lie = Messages().event(
        type(record)(**{**vars(record), "onset_step": 1}), 3, int(arrays["stamp"][-1]), 14
    )
    report, _ = imported(tmp_path, [*items, lie], index=False)
    assert "it ends twice" in reasons(report)["7-2"]


def test_an_end_that_claims_fewer_rows(tmp_path, recorded):
    _, made, items = recorded
    record, arrays = made[1]
    lie = Messages().event(
        type(record)(**{**vars(record), "confirm_step": 8, "onset_step": 8, "milestones": ()}),
        3,
        int(arrays["stamp"][9]),
        10,
    )
    at = [i for i, item in enumerate(items) if item.topic == "episode"][3]
    report, _ = imported(tmp_path, [*items[:at], lie, *items[at + 1 :]], index=False)
    assert "7-1" not in report.imported
    assert "7-1" in reasons(report)


def test_a_clock_that_jumps_back_loses_the_later_episode(tmp_path):
    contract, made = drawn_episodes(2)
    (first, arrays), (second, later) = made
    moved = later | {"stamp": later["stamp"] - later["stamp"][0] + arrays["stamp"][3]}
    report, _ = imported(tmp_path, bag_items(contract, [(first, arrays), (second, moved)]))
    assert "7-1" in reasons(report)
    assert set(report.imported) <= {"7-0"}


def test_a_bag_cut_in_the_middle_keeps_its_whole_episodes(tmp_path, recorded):
    _, made, items = recorded
    bag = write_bag(tmp_path / "bag", items)
    file = bag / "bag.mcap"
    whole = file.read_bytes()
    for cut in (len(whole) * 3 // 4, len(whole) // 2, 200):
        file.write_bytes(whole[:cut])
        store = tmp_path / f"s{cut}.zarr"
        report = import_bags([bag], store)
        assert {*report.imported, *reasons(report)} >= {"7-0", "7-1", "7-2"}
        assert report.problems
        if report.imported:
            opened = Store.open(store)
            assert opened.read("state", 0).tobytes() == made[0][1]["state"].tobytes()
    file.write_bytes(whole[: len(whole) * 3 // 4])
    assert import_bags([bag], tmp_path / "again.zarr").imported


def test_a_split_bag_is_one_bag(tmp_path, recorded):
    _, made, items = recorded
    half = len(items) // 2
    one, two = write_bag(tmp_path / "one", items[:half]), write_bag(tmp_path / "two", items[half:])
    split = tmp_path / "split"
    split.mkdir()
    shutil.copy(one / "one.mcap", split / "bag_0.mcap")
    shutil.copy(two / "two.mcap", split / "bag_1.mcap")
    report = import_bags([split], tmp_path / "s.zarr")
    assert not report.lost
    assert [p for _, p in report.problems] == [
        "metadata.yaml is missing: the recorder did not end properly"
    ]
    expect_equal(tmp_path / "s.zarr", made)


def test_a_file_that_metadata_does_not_name_is_told_of(tmp_path, recorded):
    _, made, items = recorded
    bag = write_bag(tmp_path / "bag", items)
    shutil.copy(bag / "bag.mcap", bag / "bag_1.mcap")
    report = import_bags([bag], tmp_path / "s.zarr")
    assert ["bag_1.mcap: not read" in problem for _, problem in report.problems] == [True]
    expect_equal(tmp_path / "s.zarr", made)


def test_an_episode_whose_chunk_the_index_forgot_is_missed(tmp_path, recorded):
    _, _, items = recorded
    bag = write_bag(tmp_path / "bag", items)
    file = tmp_path / "alone.mcap"  # without metadata.yaml and its index of episodes
    file.write_bytes(_without_chunk(bytearray((bag / "bag.mcap").read_bytes()), 1))
    report = import_bags([file], tmp_path / "s.zarr")
    assert report.imported == ["7-0", "7-2"]
    assert not report.complete
    expected = "/salus/perceived: 26 of 39 messages could be read"
    assert expected in [problem for _, problem in report.problems]


def _without_chunk(content: bytearray, number: int) -> bytes:
    """An MCAP file whose summary has an unknown record instead of the index of one chunk."""
    (at,) = struct.unpack_from("<Q", content, len(content) - 8 - 20)  # footer: start of the summary
    while True:
        kind, length = struct.unpack_from("<BQ", content, at)
        if kind == 0x08:
            if not number:
                content[at] = 0x70
                return bytes(content)
            number -= 1
        at += 9 + length


def test_several_bags_one_store_and_none_twice(tmp_path):
    contract, made = drawn_episodes(4)
    bags = [write_bag(tmp_path / f"b{i}", bag_items(contract, made[i : i + 2])) for i in (0, 2)]
    store = tmp_path / "s.zarr"
    assert import_bags(bags, store).complete
    expect_equal(store, made)
    again = import_bags([bags[0]], store)
    assert not again.imported
    assert all("already in the store" in reason for reason in reasons(again).values())


def test_another_definition_of_a_message_is_named(tmp_path, recorded):
    _, _, items = recorded
    bag = write_bag(tmp_path / "bag", items, without_field=("Contract", "embedding_size"))
    report = import_bags([bag], tmp_path / "s.zarr")
    assert not report.imported
    assert len(report.lost) == 3
    assert any("no field embedding_size" in problem for _, problem in report.problems)


def test_a_folder_without_a_bag_is_wrong_use(tmp_path):
    with pytest.raises(FormatError, match="no such bag"):
        import_bags([tmp_path / "nothing"], tmp_path / "s.zarr")


def test_import_needs_neither_ros_nor_mujoco_nor_lerobot(tmp_path, recorded):
    _, _, items = recorded
    bag = write_bag(tmp_path / "bag", items)
    code = (
        "import sys\n"
        "for name in ('rclpy', 'mujoco', 'lerobot', 'torch', 'ament_index_python', 'salus_msgs',"
        " 'salus_collector', 'salus_ros'): sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from salus_data.bags.importing import import_bags\n"
        "report = import_bags([Path(sys.argv[1])], Path(sys.argv[2]))\n"
        "import json; print(json.dumps(report.to_json()))\n"
    )
    package = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code, str(bag), str(tmp_path / "s.zarr")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": package},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["imported"] == ["7-0", "7-1", "7-2"]
