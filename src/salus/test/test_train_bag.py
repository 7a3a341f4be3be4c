"""Training from bags: the import is that of import-bag, done once, and losses are told."""

import json
import sys

import pytest
from bag_builders import bag_items, drawn_episodes, write_bag

pytest.importorskip("salus_msgs.msg")

from salus.main import main
from salus_data.store import Store

OPTIONS = ("--kind", "trees", "--epochs", "1", "--force", "--allow-leak", "--json")


@pytest.fixture
def train(monkeypatch, capsys):
    """The command in this process: (exit status, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["salus", "train", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return run


def test_a_bag_is_imported_once_and_its_losses_are_told_each_time(train, tmp_path):
    contract, made = drawn_episodes(12, length=30)
    items = bag_items(contract, made)
    lost = next(i for i, item in enumerate(items) if item.topic == "action")
    bag = write_bag(tmp_path / "bag", [item for i, item in enumerate(items) if i != lost])
    status, out, error = train("--bag", bag, "--out", tmp_path / "model", *OPTIONS)
    assert status == 0, error
    told = json.loads(out)
    assert told["train_episodes"] + told["validation_episodes"] == 11
    assert "not imported" in error
    (path,) = tmp_path.glob("model-bags-*.zarr")
    assert len(Store.open(path)) == 11
    before = path.stat().st_mtime_ns
    status, _, error = train("--bag", bag, "--out", tmp_path / "model", *OPTIONS)
    assert "not imported" in " ".join(error.split())
    assert [p for p in tmp_path.glob("model-bags-*.zarr") if p.stat().st_mtime_ns == before] == [
        path
    ]


def test_a_bag_without_a_whole_episode_trains_nothing(train, tmp_path):
    contract, made = drawn_episodes(1)
    items = [item for item in bag_items(contract, made) if item.topic != "ee_pose"]
    bag = write_bag(tmp_path / "bag", items)
    status, _, error = train("--bag", bag, "--out", tmp_path / "model", *OPTIONS)
    assert status == 2
    assert "no whole episode" in error
    assert not list(tmp_path.glob("*model*"))


def test_nothing_to_train_on_is_refused(train, tmp_path):
    status, _, error = train("--out", tmp_path / "model")
    assert status == 2
    assert "--bag" in error
