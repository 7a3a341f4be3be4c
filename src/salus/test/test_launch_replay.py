"""replay.launch.py by `ros2 launch`: it ends by itself, and its status tells what came of it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from bag_builders import bag_items, drawn_episodes, write_bag

# The folder src/salus/launch passes for a package without content: only a module of it tells.
pytest.importorskip("launch.actions", reason="the upstream launch is not installed")
pytest.importorskip("launch_ros.actions", reason="the upstream launch_ros is not installed")
if shutil.which("ros2") is None:
    pytest.skip("the command ros2 is not installed", allow_module_level=True)

from salus_ros.domain import claimed_domain

pytestmark = [pytest.mark.ros, pytest.mark.launch, pytest.mark.timeout(280)]
FILE = Path(__file__).parents[3] / "launch/replay.launch.py"


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    contract, made = drawn_episodes()
    return write_bag(tmp_path_factory.mktemp("drawn") / "bag", bag_items(contract, made))


def launch(*arguments):
    with claimed_domain() as domain:
        done = subprocess.run(
            ["ros2", "launch", str(FILE), *arguments],
            env=os.environ | {"ROS_DOMAIN_ID": str(domain)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    return done.returncode, done.stdout + done.stderr


def test_a_training_that_is_refused_fails_the_launch(tmp_path, bag):
    """Three short episodes do not have every failure type."""
    status, said = launch(f"bag:={bag}", "train:=true", f"model:={tmp_path / 'model'}")
    assert status == 1, said
    assert "salus train ended with status" in said
    assert not (tmp_path / "model").exists()


def test_a_predictor_without_its_model_fails_the_launch(tmp_path, bag):
    status, said = launch(f"bag:={bag}", f"model:={tmp_path / 'nothing'}")
    assert status == 1, said
    assert "predictor_node ended with status" in said
