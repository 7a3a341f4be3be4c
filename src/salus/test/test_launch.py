"""The launch files by `ros2 launch`, where the upstream launch packages are installed."""

import os
import shutil
import signal
import subprocess

import pytest

# The folder src/salus/launch passes for a package without content: only a module of it tells.
pytest.importorskip("launch.actions", reason="the upstream launch is not installed")
pytest.importorskip("launch_ros.actions", reason="the upstream launch_ros is not installed")
if shutil.which("ros2") is None:
    pytest.skip("the command ros2 is not installed", allow_module_level=True)

from salus_data.store import Store
from salus_ros.domain import claimed_domain

pytestmark = [pytest.mark.ros, pytest.mark.launch, pytest.mark.timeout(320)]


def launch(file, *arguments):
    """What came of `ros2 launch`; one that does not end is told to, so that no node is left."""
    with claimed_domain() as domain:
        process = subprocess.Popen(
            ["ros2", "launch", "salus", file, *arguments],
            env=os.environ | {"ROS_DOMAIN_ID": str(domain)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            text, _ = process.communicate(timeout=240)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            text, _ = process.communicate(timeout=60)
            pytest.fail(f"{file} did not end in 240 s\n{text}")
        return process.returncode, text


def test_every_node_as_a_process_collects_and_ends(tmp_path):
    status, text = launch(
        "collect.launch.py", "episodes:=2", "workers:=2", "image_size:=32", f"out:={tmp_path}"
    )
    assert status == 0, text
    indices = {r.index for p in tmp_path.glob("*.zarr") for r in Store.open(p).records}
    assert indices == {0, 1}
    assert "process has died" not in text


def test_a_node_that_fails_fails_the_launch(tmp_path):
    config = tmp_path / "collect.yaml"
    config.write_text("/**/policy_node:\n  ros__parameters:\n    localiser: nowhere.safetensors\n")
    options = (f"config:={config}", f"out:={tmp_path / 'out'}", "episodes:=1", "image_size:=128")
    status, text = launch("collect.launch.py", *options)
    assert status == 1, text
    assert "policy_node of worker 0 ended with status" in text


def test_a_simulated_robot_is_monitored_until_its_episodes_are_done(tmp_path):
    options = ("simulate:=true", "policy:=expert", "episodes:=2", "image_size:=32")
    status, text = launch(
        "monitor.launch.py", *options, "black_box:=none", f"out:={tmp_path / 'out'}"
    )
    assert status == 0, text
    (path,) = (tmp_path / "out").glob("*.zarr")
    assert {record.index for record in Store.open(path).records} == {0, 1}


def test_a_wrong_argument_starts_nothing(tmp_path):
    status, text = launch("collect.launch.py", "policy:=oracle", f"out:={tmp_path / 'o'}")
    assert status != 0
    assert "oracle" in text
    assert not (tmp_path / "o").exists()
