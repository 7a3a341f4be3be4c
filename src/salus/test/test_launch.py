"""collect.launch.py by `ros2 launch`, where the upstream launch packages are installed."""

import os
import shutil
import subprocess

import pytest

# The folder src/salus/launch passes for a package without content: only a module of it tells.
pytest.importorskip("launch.actions", reason="the upstream launch is not installed")
pytest.importorskip("launch_ros.actions", reason="the upstream launch_ros is not installed")
if shutil.which("ros2") is None:
    pytest.skip("the command ros2 is not installed", allow_module_level=True)

from salus_data.store import Store
from salus_ros.domain import claimed_domain

pytestmark = [pytest.mark.ros, pytest.mark.launch, pytest.mark.timeout(280)]


def launch(*arguments):
    with claimed_domain() as domain:
        return subprocess.run(
            ["ros2", "launch", "salus", "collect.launch.py", *arguments],
            env=os.environ | {"ROS_DOMAIN_ID": str(domain)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


def test_every_node_as_a_process_collects_and_ends(tmp_path):
    done = launch("episodes:=2", "workers:=2", "image_size:=32", f"out:={tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    indices = {r.index for p in tmp_path.glob("*.zarr") for r in Store.open(p).records}
    assert indices == {0, 1}
    assert "process has died" not in done.stdout + done.stderr


def test_a_wrong_argument_starts_nothing(tmp_path):
    done = launch("policy:=oracle", f"out:={tmp_path / 'o'}")
    assert done.returncode != 0
    assert "oracle" in done.stdout + done.stderr
    assert not (tmp_path / "o").exists()
