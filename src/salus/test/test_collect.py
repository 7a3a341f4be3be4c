"""Whole collections by `salus collect`: same seed, same bytes; any number of workers; kill -9."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("salus_msgs.msg")

from salus_data.doctor import examine
from salus_data.store import Store
from salus_ros.domain import claimed_domain

pytestmark = [pytest.mark.ros, pytest.mark.timeout(280)]
EPISODES = 3


@pytest.fixture(scope="module")
def domain():
    with claimed_domain() as domain:
        yield domain


def start(out, domain, *more, episodes=EPISODES, workers=1, image_size=32, first_path=""):
    command = [sys.executable, "-c", "from salus.main import main; main()", "collect", "--json"]
    command += ["--episodes", str(episodes), "--workers", str(workers), "--out", str(out)]
    command += ["--seed", "11", "--image-size", str(image_size), *more]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [first_path, *sys.path])),
        "ROS_DOMAIN_ID": str(domain),
    }
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def collect(out, domain, *more, **options):
    process = start(out, domain, *more, **options)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return json.loads(output)


def content(out):
    """Every byte of a collection by episode index, but for the labels' bookkeeping."""
    found = {}
    for path in sorted(out.glob("*.zarr")):
        store = Store.open(path)
        for number, record in enumerate(store.records):
            arrays = {name: store.read(name, number).tobytes() for name in store.names}
            found[record.index] = (json.dumps(record.to_json()), arrays)
    return found


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory, domain):
    out = tmp_path_factory.mktemp("one")
    answer = collect(out, domain)
    assert answer["episodes"] == EPISODES
    assert answer["discarded"] == []
    return out


def test_a_collection_that_is_complete_stays_as_it_is(one_worker, domain):
    before = content(one_worker)
    answer = collect(one_worker, domain)
    assert (answer["episodes"], answer["rows"]) == (EPISODES, 0)
    assert content(one_worker) == before


@pytest.fixture
def no_ros(tmp_path):
    """A folder that comes first on the path, in which no module of ROS can be imported."""
    folder = tmp_path / "no_ros"
    folder.mkdir()
    for module in ("rclpy", "rosidl_runtime_py", "salus_msgs", "sensor_msgs", "std_msgs"):
        (folder / f"{module}.py").write_text("raise ImportError('there is no ROS here')")
    return str(folder)


def test_without_ros_the_episodes_are_the_same(one_worker, domain, no_ros, tmp_path):
    collect(tmp_path / "out", domain, "--direct", first_path=no_ros)
    assert content(tmp_path / "out") == content(one_worker)


def test_images_may_be_left_out_without_ros(one_worker, domain, tmp_path):
    collect(tmp_path, domain, "--direct", "--drop-images", episodes=1)
    store = Store.open(tmp_path / "w0.zarr")
    assert store.contract.cameras == ()
    whole = Store.open(one_worker / "w0.zarr")
    assert np.array_equal(store.read("signals", 0), whole.read("signals", 0), equal_nan=True)


def test_the_policys_hidden_state_is_recorded_on_request(domain, tmp_path):
    more = ("--direct", "--policy", "smolvla-pose", "--disturbances", "none", "--embedding")
    collect(tmp_path, domain, *more, episodes=1, image_size=0)
    store = Store.open(tmp_path / "w0.zarr")
    known = np.isfinite(store.read("embedding", 0)).all(axis=1)
    assert known.tolist() == [row >= store.records[0].idle_steps for row in range(len(known))]
    assert "--embedding" in store.attributes["provenance"]["command"]


def test_a_policy_without_a_hidden_state_is_not_asked_for_it(domain, tmp_path):
    process = start(tmp_path / "out", domain, "--embedding", episodes=1)
    process.communicate(timeout=60)
    assert process.returncode == 2
    assert not (tmp_path / "out").exists()


def test_a_collection_is_sound(one_worker):
    report = examine([one_worker])
    codes = {finding.code for finding in report.findings if finding.severity.value == "error"}
    assert codes <= {"one_class", "few_positives"}, codes


def test_two_workers_make_the_same_bytes_in_other_processes(one_worker, tmp_path, domain):
    collect(tmp_path, domain, workers=2)
    assert len(list(tmp_path.glob("*.zarr"))) == 2
    assert content(tmp_path) == content(one_worker)


def test_a_collection_that_was_killed_goes_on_where_it_stopped(one_worker, tmp_path, domain):
    process = start(tmp_path, domain)
    store = tmp_path / "w0.zarr"
    try:
        due = time.monotonic() + 120
        while time.monotonic() < due:
            if store.exists() and len(Store.open(store)) >= 1:
                break
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    kept = len(Store.open(store))
    assert kept >= 1
    before = content(tmp_path)
    answer = collect(tmp_path, domain)
    assert answer["episodes"] == EPISODES
    after = content(tmp_path)
    assert {index: after[index] for index in before} == before
    assert after == content(one_worker)


@pytest.mark.parametrize(
    ("whom", "sent"),
    [
        ("all", signal.SIGINT),  # Ctrl-C reaches every process of a terminal
        ("all", signal.SIGTERM),  # a service manager may tell every process, too
        ("parent", signal.SIGTERM),  # `kill` tells the first one
        ("parent", signal.SIGKILL),
    ],
)
def test_an_interrupted_collection_ends_with_all_its_workers_and_leaves_sound_stores(
    tmp_path, domain, whom, sent
):
    process = start(tmp_path, domain, episodes=50, workers=2)
    stores = [tmp_path / f"w{worker}.zarr" for worker in range(2)]
    try:
        due = time.monotonic() + 120
        while time.monotonic() < due and not all(store.exists() for store in stores):
            assert process.poll() is None, "it ended before it was told to"
            time.sleep(0.05)
        (os.killpg if whom == "all" else os.kill)(process.pid, sent)
        # Ends when the last process that writes to the pipe has: parent and workers.
        process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode != 0
    for store in stores:
        assert np.all(np.diff(Store.open(store).ends) > 0)
