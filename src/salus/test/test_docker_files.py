"""The image cannot be built here; what its files name must at least be there (docs/DOCKER.md)."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

pytest.importorskip("salus_msgs.msg")

from salus.main import app

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text(encoding="utf-8")
LINES = re.sub(r"\\\n", " ", DOCKERFILE).splitlines()
STAGES = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)
COMPOSE = yaml.safe_load((ROOT / "docker/compose.yaml").read_text(encoding="utf-8"))


def copied() -> list[str]:
    """What the image takes from the repository."""
    lines = [line.split()[1:] for line in LINES if line.startswith("COPY") and "--from" not in line]
    return [word for line in lines for word in line[:-1] if not word.startswith("--")]


def test_what_is_copied_is_there_and_sent_to_the_builder():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert len(copied()) > 8
    for name in copied():
        assert (ROOT / name).exists(), name
        assert any(fnmatch(name, pattern) or name.startswith(f"{pattern}/") for pattern in kept)


def test_scripts_that_are_run_were_copied_before_and_can_be_executed():
    there: set[str] = set()
    for line in LINES:
        words = line.split()
        if line.startswith("COPY") and "--from" not in line:
            there |= {word for word in words if word.endswith(".sh")}
        for script in re.findall(r"docker/\w+\.sh", line) if line.startswith("RUN") else ():
            assert script in there, script
            assert (ROOT / script).stat().st_mode & 0o111, script


def test_stages_follow_each_other_and_the_last_user_is_not_root():
    bases = re.findall(r"^FROM (\S+) AS", DOCKERFILE, re.MULTILINE)
    for number, base in enumerate(bases):
        assert base in STAGES[:number] or base in ("${UV_IMAGE}", "${ROS_IMAGE}")
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users[-1] == "1000:1000"


def test_base_images_are_pinned():
    images = re.findall(r"^ARG (?:ROS|UV)_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert len(images) == 2
    assert all(":" in image and not image.endswith(":latest") for image in images)


def test_services_build_stages_that_exist_and_run_commands_that_exist():
    assert set(COMPOSE["services"]) == {"collect", "train", "monitor", "view"}
    commands = {command.name for command in app.registered_commands}
    for name, service in COMPOSE["services"].items():
        assert service["build"]["target"] in STAGES, name
        words = [*service.get("entrypoint", []), *service["command"]]
        if "salus" in words and "launch" not in words:
            assert words[words.index("salus") + 1] in commands
        for launched in (word for word in words if word.endswith(".launch.py")):
            assert (ROOT / "launch" / launched).is_file()
    gpu = yaml.safe_load((ROOT / "docker/compose.cuda.yaml").read_text(encoding="utf-8"))
    assert set(gpu["services"]) <= set(COMPOSE["services"])


def test_arguments_of_the_monitor_are_those_of_its_launch_file():
    text = (ROOT / "launch/monitor.launch.py").read_text(encoding="utf-8")
    given = [
        word.split(":=")[0] for word in COMPOSE["services"]["monitor"]["command"] if ":=" in word
    ]
    assert given
    assert all(f'"{name}"' in text for name in given)
