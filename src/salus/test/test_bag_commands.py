"""Commands about bags, LeRobot and stores: what they print, and one line for what they refuse."""

import json
from pathlib import Path

import pytest
from bag_builders import bag_items, drawn_episodes, write_bag
from command_line import one_line

pytest.importorskip("salus_msgs.msg")

from salus_data.bags.importing import import_bags

EXAMPLE = Path(__file__).parents[3] / "config/topic_map_example.yaml"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A bag of three drawn episodes, and the store of it."""
    folder = tmp_path_factory.mktemp("commands")
    bag = write_bag(folder / "bag", bag_items(*drawn_episodes()))
    import_bags([bag], folder / "set.zarr")
    return bag, folder / "set.zarr"


def test_info_tells_what_is_there(salus, made):
    status, out, _ = salus("info", made[1], "--json")
    assert status == 0
    assert json.loads(out)["episodes"] == 3


def test_a_merged_store_is_refused_a_second_time(salus, made, tmp_path):
    status, out, _ = salus("merge", made[1], "--out", tmp_path / "all.zarr")
    assert status == 0
    assert "3 episodes" in out
    status, _, error = salus("merge", made[1], "--out", tmp_path / "all.zarr")
    assert status == 2
    assert "exists" in one_line(error)


def test_an_episode_that_is_shown_may_have_no_forecasts(salus, made, tmp_path):
    page = tmp_path / "page.html"
    status, out, _ = salus("show", "7-1", made[1], "--out", page)
    assert status == 0
    assert str(page) in out
    assert "Forecasts" not in page.read_text(encoding="utf-8")


def test_a_model_that_reads_other_signals_is_not_shown(salus, made, tmp_path):
    page = tmp_path / "page.html"
    status, _, error = salus("show", "7-1", made[1], "--out", page, "--model", "shipped")
    assert status == 2
    assert "the model" in one_line(error)
    assert not page.exists()


def test_a_bag_is_imported_once(salus, made, tmp_path):
    store = tmp_path / "s.zarr"
    status, out, _ = salus("import-bag", made[0], "--out", store)
    assert status == 0
    assert "3 episodes" in out
    status, out, _ = salus("import-bag", made[0], "--out", store)
    assert status == 1
    assert "already in the store" in out


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("info", "none.zarr"), "none.zarr"),
        (("merge", "none.zarr", "--out", "all.zarr"), "none.zarr"),
        (("show", "9", "STORE"), "7-0"),
        (("show", "7-0", "STORE", "--model", "none"), "none"),
        (("import-bag", "none", "--out", "s.zarr"), "none: no such bag"),
        (("import-bag", "BAG", "--out", "s.zarr", "--namespace", "/arm"), "found: /salus"),
        (("import-bag", "BAG", "--out", "s.zarr", "--labels", "l.csv"), "--labels needs --topics"),
        (("import-bag", "BAG", "--out", "s.zarr", "--topics", "m.yaml"), "m.yaml"),
        (("train", "--bag", "none", "--out", "model"), "none: no such bag"),
        (("train", "--out", "model"), "--bag"),
        (("replay", "none"), "none: no such bag"),
        (("replay", "BAG", "--model", "none"), "none"),
        (("export-lerobot", "none.zarr", "--out", "d"), "none.zarr"),
        (("export-lerobot", "STORE", "--out", "d", "--images", "jpeg"), "image, video, none"),
        (("import-lerobot", "none", "--out", "s.zarr"), "none"),
    ],
)
def test_what_cannot_be_done_is_one_line(salus, made, tmp_path, monkeypatch, arguments, what):
    if "lerobot" in arguments[0]:
        pytest.importorskip("lerobot.datasets.lerobot_dataset")
    monkeypatch.chdir(tmp_path)
    names = {"BAG": made[0], "STORE": made[1]}
    status, _, error = salus(*(names.get(word, word) for word in arguments))
    assert status == 2
    assert what in one_line(error)
    assert not list(tmp_path.iterdir())


def test_another_robots_bag_without_the_topics_of_the_map_is_reported(salus, made, tmp_path):
    status, out, _ = salus(
        "import-bag", made[0], "--topics", EXAMPLE, "--out", tmp_path / "s.zarr", "--json"
    )
    report = json.loads(out)
    assert status == 1
    assert report["imported"] == []
    assert any("/joint_states" in line for _, line in report["problems"])
