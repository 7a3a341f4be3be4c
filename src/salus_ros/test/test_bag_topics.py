"""The files for `ros2 bag record` say what `salus collect --bag` records."""

from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.ros
CONFIG = Path(__file__).parents[3] / "config"


def expected() -> dict[str, dict[str, object]]:
    from salus_ros.bag_topics import RECORDED, camera_topics, qos_override
    from salus_ros.topics import NAMESPACE

    topics = (*RECORDED, *camera_topics("front"), *camera_topics("wrist"))
    return {
        t.name if t.name.startswith("/") else f"{NAMESPACE}/{t.name}": qos_override(t.qos)
        for t in topics
    }


def test_the_topic_list() -> None:
    assert (CONFIG / "bag_topics.txt").read_text().split() == list(expected())


def test_the_qos_file() -> None:
    assert yaml.safe_load((CONFIG / "bag_qos.yaml").read_text()) == expected()


def test_type_names() -> None:
    from salus_ros.bag_topics import RECORDED

    names = {topic.name: topic.type_name for topic in RECORDED}
    assert names["contract"] == "salus_msgs/msg/Contract"
    assert names["/clock"] == "rosgraph_msgs/msg/Clock"
