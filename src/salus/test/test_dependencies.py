"""Every package names what it imports: for colcon in package.xml, for pip in setup.py."""

import ast
import re
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2]
PACKAGES = ("salus_data", "salus_ros", "salus_collector", "salus_predictor", "salus")
DISTRIBUTIONS = {
    "PIL": "pillow",
    "backports": "backports.zstd",
    "google_crc32c": "google-crc32c",
    "sklearn": "scikit-learn",
    "xgboost": "xgboost-cpu",
    "yaml": "pyyaml",
}
"""Of modules that are called otherwise; `-` and `_` are alike."""
WITH_OTHERS = {"datasets", "draccus", "huggingface_hub", "tokenizers"}
"""What LeRobot and transformers bring along."""
ROS = re.compile(r".*_msgs|.*_srvs|.*_interfaces|rclpy|launch|ament_index_python|salus_.*")


def imported(package: str) -> set[str]:
    found: set[str] = set()
    for path in (SOURCES / package / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names - {package}


@pytest.mark.parametrize("package", PACKAGES)
def test_colcon_is_told_every_ros_package(package: str) -> None:
    text = (SOURCES / package / "package.xml").read_text(encoding="utf-8")
    named = set(re.findall(r"depend>([^<\s]+)</", text))
    assert {name for name in imported(package) if ROS.fullmatch(name)} <= named


@pytest.mark.parametrize("package", PACKAGES)
def test_pip_is_told_every_distribution(package: str) -> None:
    text = (SOURCES / package / "setup.py").read_text(encoding="utf-8")
    named = {re.sub(r"\[.*", "", name).replace("-", "_") for name in re.findall(r'"([^"]*)"', text)}
    ours = {name for name in imported(package) if not ROS.fullmatch(name)} - WITH_OTHERS
    siblings = {name for name in imported(package) if name in PACKAGES}
    needed = {DISTRIBUTIONS.get(name, name).replace("-", "_") for name in ours | siblings}
    assert needed <= named
