"""The layouts of RViz and Foxglove: classes, property names and topics; RViz itself is not here."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from salus_data import topic_names
from salus_data.types import FAILURE_TYPES

CONFIG = Path(__file__).parents[3] / "config"

# Property names from the constructors of rviz_default_plugins (ros2/rviz, branch jazzy at 591594e:
# grid, marker_array, path, pose and image displays, qos_profile_property.cpp,
# visualization_manager.cpp, view_controller.cpp, frame_position_tracking and orbit view
# controllers), classes from plugins_description.xml and panel_factory.cpp.
COMMON = {"Class", "Enabled", "Name", "Value"}
TOPIC = {"Depth", "Durability Policy", "History Policy", "Reliability Policy", "Value"}
PROPERTIES = {
    "rviz_default_plugins/Grid": {
        "Alpha",
        "Cell Size",
        "Color",
        "Line Style",
        "Normal Cell Count",
        "Offset",
        "Plane",
        "Plane Cell Count",
        "Reference Frame",
    },
    "rviz_default_plugins/MarkerArray": {"Namespaces", "Topic"},
    "rviz_default_plugins/Image": {
        "Max Value",
        "Median window",
        "Min Value",
        "Normalize Range",
        "Topic",
    },
    "rviz_default_plugins/Path": {
        "Alpha",
        "Buffer Length",
        "Color",
        "Head Diameter",
        "Head Length",
        "Length",
        "Line Style",
        "Line Width",
        "Offset",
        "Pose Color",
        "Pose Style",
        "Radius",
        "Shaft Diameter",
        "Shaft Length",
        "Topic",
    },
    "rviz_default_plugins/Pose": {
        "Alpha",
        "Axes Length",
        "Axes Radius",
        "Color",
        "Head Length",
        "Head Radius",
        "Shaft Length",
        "Shaft Radius",
        "Shape",
        "Topic",
    },
}
LINE_STYLE = {"Line Width", "Value"}
PANELS = {
    f"rviz_common/{name}"
    for name in ("Displays", "Help", "Selection", "Time", "Tool Properties", "Views")
}
TOOLS = {
    f"rviz_default_plugins/{name}"
    for name in ("FocusCamera", "Interact", "Measure", "MoveCamera", "PublishPoint", "Select")
}
GLOBAL = {"Background Color", "Fixed Frame", "Frame Rate"}
VIEW = {
    "Class",
    "Distance",
    "Enable Stereo Rendering",
    "Focal Point",
    "Focal Shape Fixed Size",
    "Focal Shape Size",
    "Invert Z Axis",
    "Name",
    "Near Clip Distance",
    "Pitch",
    "Target Frame",
    "Value",
    "Yaw",
}
SHOWS = {
    "rviz_default_plugins/MarkerArray": {topic_names.SCENE, topic_names.RISK_MARKERS},
    "rviz_default_plugins/Image": {topic_names.image_topic(c) for c in ("front", "wrist")},
    "rviz_default_plugins/Path": {topic_names.CHUNK_PATH},
    "rviz_default_plugins/Pose": {topic_names.EE_POSE},
}
"""Topics whose messages a class of displays can draw."""
POLICIES = {
    "Durability Policy": {"Transient Local", "Volatile"},
    "History Policy": {"Keep Last", "Keep All"},
    "Reliability Policy": {"Reliable", "Best Effort"},
}


def known_topics() -> set[str]:
    """Every topic of the graph, with the default namespace."""
    names = {v for k, v in vars(topic_names).items() if k.isupper() and isinstance(v, str)}
    names |= {topic_names.image_topic(camera) for camera in ("front", "wrist")}
    space = topic_names.NAMESPACE
    return {name if name.startswith("/") else f"{space}/{name}" for name in names}


@pytest.fixture(scope="module")
def rviz() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CONFIG / "salus.rviz").read_text())
    return loaded


def test_displays_have_the_properties_that_rviz_knows(rviz: dict[str, Any]) -> None:
    displays = rviz["Visualization Manager"]["Displays"]
    for display in displays:
        known = PROPERTIES[display["Class"]] | COMMON
        assert set(display) <= known, display["Name"]
        if "Topic" in display:
            assert set(display["Topic"]) == TOPIC
            for policy, choices in POLICIES.items():
                assert display["Topic"][policy] in choices
    names = {display["Name"] for display in displays}
    assert {"Scene", "Risk", "Front camera", "Wrist camera"} <= names
    fixed = rviz["Visualization Manager"]["Global Options"]["Fixed Frame"]
    assert fixed == "base_link"


def test_panels_tools_and_the_view_are_those_that_rviz_has(rviz: dict[str, Any]) -> None:
    manager = rviz["Visualization Manager"]
    assert {panel["Class"] for panel in rviz["Panels"]} <= PANELS
    assert {tool["Class"] for tool in manager["Tools"]} <= TOOLS
    assert set(manager["Global Options"]) <= GLOBAL
    view = manager["Views"]["Current"]
    assert view["Class"] == "rviz_default_plugins/Orbit"
    assert set(view) <= VIEW
    assert set(view["Focal Point"]) == {"X", "Y", "Z"}
    grid = next(d for d in manager["Displays"] if d["Class"].endswith("/Grid"))
    assert set(grid["Line Style"]) == LINE_STYLE
    # Docks are found by name: of a panel, or of a display that has a window of its own.
    docks = {name for name, entry in rviz["Window Geometry"].items() if isinstance(entry, dict)}
    images = {d["Name"] for d in manager["Displays"] if d["Class"].endswith("/Image")}
    assert docks == images | {panel["Name"] for panel in rviz["Panels"]}


def test_every_display_can_draw_and_hear_its_topic(rviz: dict[str, Any]) -> None:
    for display in rviz["Visualization Manager"]["Displays"]:
        if "Topic" not in display:
            continue
        topic = display["Topic"]
        shown = {f"{topic_names.NAMESPACE}/{name}" for name in SHOWS[display["Class"]]}
        assert topic["Value"] in shown, display["Name"]
        # These are published every step and are not latched: who asks for that hears nothing.
        assert topic["Durability Policy"] == "Volatile", display["Name"]


def test_every_topic_of_rviz_is_one_of_the_graph(rviz: dict[str, Any]) -> None:
    shown = {
        display["Topic"]["Value"]
        for display in rviz["Visualization Manager"]["Displays"]
        if "Topic" in display
    }
    assert shown <= known_topics()
    assert len(shown) == 6


def test_every_topic_of_foxglove_is_one_of_the_graph() -> None:
    layout = json.loads((CONFIG / "foxglove.json").read_text())
    panels = layout["configById"]
    shown: set[str] = set()
    for panel in panels.values():
        shown |= set(panel.get("topics", {}))
        shown |= {path["value"].split(".")[0] for path in panel.get("paths", [])}
        shown |= {
            panel[key].split(".")[0] for key in ("topicPath", "topicToRender") if key in panel
        }
        if "imageTopic" in panel.get("imageMode", {}):
            shown.add(panel["imageMode"]["imageTopic"])
    assert shown <= known_topics()
    assert set(leaves(layout["layout"])) == set(panels)
    paths = panels["Plot!risk"]["paths"]
    # The longest of four horizons, row by row.
    assert [path["label"] for path in paths] == list(FAILURE_TYPES)
    assert [path["value"] for path in paths] == [
        f"/salus/forecast.probability[{3 * len(FAILURE_TYPES) + k}]"
        for k in range(len(FAILURE_TYPES))
    ]


def leaves(layout: Any) -> list[str]:
    if isinstance(layout, str):
        return [layout]
    return leaves(layout["first"]) + leaves(layout["second"])


@pytest.mark.ros
@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
def test_the_risk_is_drawn_from_what_the_graph_says() -> None:
    pytest.importorskip("salus_msgs.msg")
    import numpy as np
    from salus_msgs.msg import FailureForecast, SupervisorState
    from visualization_msgs.msg import Marker, MarkerArray

    from salus_predictor.nodes.risk_view_node import RiskViewNode
    from salus_ros import convert, topics
    from salus_ros.domain import claimed_domain
    from salus_ros.graph import Graph

    heard: dict[str, Marker] = {}

    def keep(message: MarkerArray) -> None:
        for marker in message.markers:
            heard[marker.text.split("\n")[0] or str(marker.type)] = marker

    with claimed_domain() as domain, Graph(domain) as graph:
        from rclpy.node import Node

        graph.add(RiskViewNode, {"every": 1})
        ear = graph.add(lambda **options: Node("ear", **options))
        ear.create_subscription(MarkerArray, topics.RISK_MARKERS, keep, topics.STEP_QOS)
        forecasts = ear.create_publisher(FailureForecast, topics.FORECAST, topics.STEP_QOS)
        states = ear.create_publisher(SupervisorState, topics.SUPERVISOR, topics.LATCHED_QOS)
        paths = ear.create_publisher(type(convert.path_message(np.zeros((1, 3)), 0)),
                                     topics.CHUNK_PATH, topics.STEP_QOS)  # fmt: skip
        assert graph.spin_until(
            lambda: (
                ear.count_publishers(topics.RISK_MARKERS)
                and ear.count_subscribers(topics.FORECAST)
                and ear.count_subscribers(topics.CHUNK_PATH)
            )
        )
        states.publish(SupervisorState(state=3, mode=3, would_be_state=3, reason="miss ahead"))
        paths.publish(convert.path_message(np.array([[0.4, 0, 0.2], [0.5, 0, 0.2]]), 5))
        probability = np.zeros((2, 4))
        probability[:, 2] = (0.4, 0.9)
        levels = np.ones((2, 4), np.uint8)
        levels[1, 2] = 3

        def told() -> bool:
            forecasts.publish(
                FailureForecast(
                    header=convert.header(10),
                    step_period=1 / 30,
                    horizons=[1 / 30, 0.5],
                    failure_types=list(FAILURE_TYPES),
                    probability=probability.ravel().tolist(),
                    levels=levels.ravel().tolist(),
                )
            )
            # The path may be drawn before the first forecast is heard, and has no colour then.
            line = heard.get(str(Marker.LINE_STRIP))
            coloured = line is not None and line.colors[0] != line.colors[-1]
            return {"HOLDING", "miss"} <= set(heard) and coloured

        assert graph.spin_until(told)
    line = heard[str(Marker.LINE_STRIP)]
    first, last = line.colors
    assert first.g > first.r, "no risk now: green"
    assert last.r > last.g, "0.4 within the first step: warmer"
    assert heard["miss"].text == "miss\n90 %"
    assert "miss ahead" in heard["HOLDING"].text
