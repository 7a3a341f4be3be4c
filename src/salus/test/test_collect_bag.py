"""`salus collect --bag`, then `salus import-bag`: the store that was recorded directly."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from salus_data.bags.episodes import indexed_episodes
from salus_data.bags.importing import import_bags
from salus_data.bags.source import Bag
from salus_data.compare import differences
from salus_data.errors import SalusError
from salus_data.store import Store
from salus_data.view import StoreView
from salus_ros.domain import claimed_domain

pytestmark = pytest.mark.ros


def collect(out: Path, *options: str) -> list[str]:
    return ["salus", "collect", "--out", str(out), "--image-size", "16", "--bag", *options]


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with claimed_domain() as domain:
        yield {
            **os.environ,
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        }


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """Three episodes, recorded into a store and a bag at once."""
    out = tmp_path_factory.mktemp("bags") / "run"
    command = [*collect(out, "--episodes", "3", "--seed", "4"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["episodes"] == 3
    return out


def test_a_bag_comes_back_as_the_store_that_was_recorded(collection, tmp_path):
    store = tmp_path / "imported.zarr"
    report = import_bags([collection / "bags/w0_0"], store)
    assert report.complete, (report.lost, report.problems)
    assert differences(StoreView(collection), StoreView(store)) == []
    assert (
        Store.open(store)
        .attributes["provenance"]["recorded"]["command"]
        .startswith("salus collect")
    )


def test_the_bag_describes_itself(collection):
    folder = collection / "bags/w0_0"
    facts = yaml.safe_load((folder / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert facts["storage_identifier"] == "mcap"
    topics = {t["topic_metadata"]["name"]: t for t in facts["topics_with_message_count"]}
    contract = topics["/salus/contract"]["topic_metadata"]
    assert contract["offered_qos_profiles"][0]["durability"] == "transient_local"
    assert topics["/salus/action"]["message_count"] > 100
    with Bag(folder) as bag:
        assert not bag.problems
        assert set(indexed_episodes(bag)) == {r.id for r in StoreView(collection).records}
        assert all(kind in bag.typestore.fielddefs for kind in bag.types.values())


def test_the_types_carry_the_hashes_of_ros(collection):
    share = Path(os.environ["AMENT_PREFIX_PATH"].split(":")[0])
    hashes = {
        path.stem: json.loads(path.read_text())["type_hashes"][0]["hash_string"]
        for folder in os.environ["AMENT_PREFIX_PATH"].split(":")
        for path in Path(folder, "share/salus_msgs/msg").glob("*.json")
    }
    assert hashes, share
    facts = yaml.safe_load((collection / "bags/w0_0/metadata.yaml").read_text())
    for topic in facts["rosbag2_bagfile_information"]["topics_with_message_count"]:
        package, _, name = topic["topic_metadata"]["type"].split("/")
        if package == "salus_msgs":
            assert topic["topic_metadata"]["type_description_hash"] == hashes[name], name


def test_a_killed_collection_leaves_whole_episodes(tmp_path, environment):
    out = tmp_path / "run"
    process = subprocess.Popen(
        collect(out, "--episodes", "200", "--seed", "6"),
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        limit = time.monotonic() + 120
        while time.monotonic() < limit and not _committed(out / "w0.zarr", 2):
            time.sleep(0.2)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    store = tmp_path / "imported.zarr"
    report = import_bags([out / "bags/w0_0"], store)
    assert len(report.imported) >= 2
    assert any("metadata.yaml is missing" in problem for _, problem in report.problems)
    kept = {record.id for record in Store.open(out / "w0.zarr").records}
    # The bag may be one episode ahead of the store, or the store of the bag; what both have agrees.
    assert len(kept ^ set(report.imported)) <= 1
    lines = differences(StoreView(out), StoreView(store))
    assert all("is only in the" in line for line in lines)


def _committed(path: Path, episodes: int) -> bool:
    return (path / "meta/episode_ends").exists() and len(Store.open(path)) >= episodes


def test_the_exit_status_of_the_command(collection, tmp_path):
    from typer.testing import CliRunner

    from salus.main import app

    runner = CliRunner()
    bag = collection / "bags/w0_0"
    sound = runner.invoke(
        app, ["import-bag", str(bag), "--out", str(tmp_path / "a.zarr"), "--json"]
    )
    assert sound.exit_code == 0
    assert len(json.loads(sound.stdout)["imported"]) == 3

    cut = tmp_path / "cut.mcap"
    cut.write_bytes((bag / "w0_0.mcap").read_bytes()[:-3000])
    damaged = runner.invoke(app, ["import-bag", str(cut), "--out", str(tmp_path / "b.zarr")])
    assert damaged.exit_code == 1
    assert "damaged" in damaged.stdout

    wrong = runner.invoke(app, ["import-bag", str(tmp_path / "no"), "--out", str(tmp_path / "c")])
    assert isinstance(wrong.exception, SalusError)
