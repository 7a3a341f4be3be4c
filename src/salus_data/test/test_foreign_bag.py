"""Recordings of other robots: a topic map says what means what; what it cannot say is refused."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from salus_data.bags.foreign import import_foreign_bags
from salus_data.bags.topic_map import load_topic_map
from salus_data.errors import FormatError
from salus_data.store import Store
from salus_data.types import Outcome

STEP = 50_000_000  # [ns], 20 Hz
START = 1_700_000_000 * 10**9
STORE = get_typestore(Stores.ROS2_JAZZY)
T = STORE.types

MAP = {
    "schema_version": 1,
    "rate": 20.0,
    "step_topic": "/joints",
    "tolerance": 0.12,
    "task": "stack",
    "policy": "someone's",
    "state": [
        {
            "topic": "/joints",
            "fields": ["position", "velocity"],
            "columns": ["q0", "q1", "v0", "v1"],
            "units": ["rad", "rad", "rad/s", "rad/s"],
        },
        {
            "topic": "/tool",
            "fields": ["pose.position"],
            "columns": ["x", "y", "z"],
            "units": ["m"],
        },
    ],
    "action": {
        "topic": "/command",
        "fields": ["data"],
        "columns": ["dq0", "dq1"],
        "units": ["rad"],
        "space": "joint_delta",
        "low": [-1, -1],
        "high": [1, 1],
    },
    "signals": [{"topic": "/entropy", "fields": ["data"], "columns": ["entropy"], "units": ["1"]}],
    "cameras": {"top": {"topic": "/cam"}},
    "episodes": {
        "divided_by": "events",
        "start": {"topic": "/phase", "field": "data", "equals": "start"},
        "end": {"topic": "/phase", "field": "data", "equals": "end"},
    },
    "outcomes": {
        "success": {"topic": "/phase", "field": "data", "equals": "ok"},
        "failures": {"drop": {"topic": "/phase", "field": "data", "equals": "dropped"}},
    },
    "horizons": [2, 4],
}


def header(stamp: int):
    time = T["builtin_interfaces/msg/Time"](stamp // 10**9, stamp % 10**9)
    return T["std_msgs/msg/Header"](stamp=time, frame_id="")


def robot_messages(episodes=("ok", "dropped"), steps: int = 20):
    """(topic, type, log time, message) of a robot that publishes at its own times."""
    found, now = [], START
    layout = T["std_msgs/msg/MultiArrayLayout"](dim=[], data_offset=0)
    say = lambda t, word: (  # noqa: E731
        "/phase",
        "std_msgs/msg/String",
        t,
        T["std_msgs/msg/String"](data=word),
    )
    for number, word in enumerate(episodes):
        found.append(say(now - 1, "start"))
        for t in range(steps):
            stamp = now + t * STEP
            value = 100.0 * number + t
            array = T["std_msgs/msg/Float64MultiArray"](layout, np.array([t / steps, 0.5]))
            pose = T["geometry_msgs/msg/Pose"](
                T["geometry_msgs/msg/Point"](value, 2.0, 3.0),
                T["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0),
            )
            pixels = np.full((4, 6, 3), (t, 20, 30), np.uint8)
            found += [
                ("/command", "std_msgs/msg/Float64MultiArray", stamp - 30_000_000, array),
                (
                    "/tool",
                    "geometry_msgs/msg/PoseStamped",
                    stamp - 10_000_000,
                    T["geometry_msgs/msg/PoseStamped"](header(stamp - 10_000_000), pose),
                ),
                (
                    "/cam",
                    "sensor_msgs/msg/Image",
                    stamp - 5_000_000,
                    T["sensor_msgs/msg/Image"](
                        header(stamp - 5_000_000), 4, 6, "bgr8", 0, 18, pixels.reshape(-1)
                    ),
                ),
                (
                    "/joints",
                    "sensor_msgs/msg/JointState",
                    stamp,
                    T["sensor_msgs/msg/JointState"](
                        header(stamp),
                        ["a", "b"],
                        np.array([value, 1.0]),
                        np.array([0.1, 0.2]),
                        np.zeros(0),
                    ),
                ),
            ]
            if t % 2 == 0 and t > 5:
                entropy = T["std_msgs/msg/Float64"](value / 7)
                found.append(("/entropy", "std_msgs/msg/Float64", stamp, entropy))
        if word:
            found.append(say(now + 12 * STEP - 7, word))
        found.append(say(now + (steps - 1) * STEP + 5, "end"))
        now += steps * STEP + 10 * 10**9
    return found


def write(path: Path, messages) -> Path:
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kinds = dict.fromkeys((topic, kind) for topic, kind, _, _ in messages)
        connections = {t: writer.add_connection(t, kind, typestore=STORE) for t, kind in kinds}
        for topic, kind, time, message in messages:
            writer.write(connections[topic], time, STORE.serialize_cdr(message, kind))
    return path


def write_map(path: Path, **changes) -> Path:
    path.write_text(yaml.safe_dump(MAP | changes))
    return path


def run(tmp_path, messages, labels=None, **changes):
    bag = write(tmp_path / "robot", messages)
    the_map = write_map(tmp_path / "map.yaml", **changes)
    store = tmp_path / "s.zarr"
    return import_foreign_bags([bag], store, the_map, labels=labels), store


def test_another_robot_becomes_a_labelled_store(tmp_path):
    report, path = run(tmp_path, robot_messages())
    assert report.complete, (report.lost, report.problems)
    store = Store.open(path)
    success, drop = store.records
    assert success.outcome is Outcome.SUCCESS
    assert (drop.outcome, drop.failure_type, drop.onset_step) == (Outcome.FAILURE, 1, 12)
    assert drop.event_source == "topic"
    state = store.read("state", 1)
    assert state[:, 0].tolist() == [100.0 + t for t in range(20)]
    assert state[5].tolist() == [105.0, 1.0, 0.1, 0.2, 105.0, 2.0, 3.0]
    assert store.read("action", 0)[:, 0].tolist() == [t / 20 for t in range(20)]
    assert store.read("image_top", 0)[3, 0, 0].tolist() == [30, 20, 3]  # bgr8 turned round
    signals = store.read("signals", 0)[:, 0]
    assert np.isnan(signals[:6]).all()
    assert signals[6] == signals[7] == np.float32(6 / 7)
    assert store.read("horizon_labels", 1)[:, 0, 1].tolist() == [0] * 10 + [1, 1] + [0] * 8


def test_without_an_outcome_nothing_is_guessed(tmp_path):
    report, _ = run(tmp_path, robot_messages(("ok", "")))
    assert len(report.imported) == 1
    assert "no event says how it ended" in report.lost[0].reason


def test_unlabelled_episodes_are_censored_where_asked_for(tmp_path):
    report, path = run(tmp_path, robot_messages(("", "ok")), unlabelled="truncated")
    assert report.complete
    assert Store.open(path).records[0].outcome is Outcome.TRUNCATED


def test_a_lost_step_loses_the_episode(tmp_path):
    messages = robot_messages()
    steps = [i for i, (topic, *_) in enumerate(messages) if topic == "/joints"]
    del messages[steps[7]]
    report, _ = run(tmp_path, messages)
    assert len(report.imported) == 1
    assert "between step 6 and 7 lie 0.100 s" in report.lost[0].reason


def test_a_value_that_is_too_old_is_missing(tmp_path):
    messages = [
        m
        for m in robot_messages()
        if not (m[0] == "/tool" and START + 5 * STEP < m[2] < START + 10 * STEP)
    ]
    report, _ = run(tmp_path, messages)
    assert len(report.imported) == 1
    assert "state1 has no value at step" in report.lost[0].reason


def test_a_field_that_is_not_there_is_named(tmp_path):
    wrong = [MAP["state"][0] | {"fields": ["positions", "velocity"]}, MAP["state"][1]]
    report, _ = run(tmp_path, robot_messages(), state=wrong)
    assert not report.imported
    assert any("no field 'positions'" in p and "effort" in p for _, p in report.problems)


def test_human_labels_divide_and_decide(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "bag,episode,start_s,end_s,outcome,failure_type,onset_s\n"
        "robot,first,0,0.95,success,,\n"
        "robot,second,11,11.95,failure,collision,11.5\n"
    )
    report, path = run(tmp_path, robot_messages(), labels=labels, episodes={"divided_by": "labels"})
    assert report.complete, (report.lost, report.problems)
    second = Store.open(path).records[1]
    assert (second.id, second.failure_type, second.onset_step) == ("second", 0, 10)
    assert second.event_source == "human"


def test_the_label_of_another_bag_decides_nothing(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "bag,episode,start_s,end_s,outcome,failure_type,onset_s\n"
        "other,first,0,0.95,success,,\n"
        "robot,first,0,0.95,failure,drop,0.5\n"
    )
    by_hand = {"divided_by": "labels"}
    report, path = run(tmp_path, robot_messages(), labels=labels, episodes=by_hand)
    assert report.complete, (report.lost, report.problems)
    (first,) = Store.open(path).records
    assert (first.outcome, first.failure_type, first.onset_step) == (Outcome.FAILURE, 1, 10)


def test_a_bag_without_a_line_in_the_labels_is_named(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "bag,episode,start_s,end_s,outcome,failure_type,onset_s\nother,a,0,1,success,,\n"
    )
    by_hand = {"divided_by": "labels"}
    report, _ = run(tmp_path, robot_messages(), labels=labels, episodes=by_hand)
    assert [problem for _, problem in report.problems] == ["no line of the labels names robot"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("robot,a,0,inf,success,,", "end_s is 'inf'; give seconds"),
        ("robot,a,0,1,won,,", "unknown outcome 'won'; known: success, failure, truncated"),
        ("robot,a,0,1,failure,slip,", "unknown failure_type 'slip'"),
        ("robot,a,2,1,success,,", "the end comes later"),
        ("robot,a,x,1,success,,", "start_s is 'x'"),
        ("robot,a,0,1,failure,drop,3", "onset_s is 3.0"),
    ],
)
def test_a_wrong_line_of_labels_is_named(tmp_path, line, what):
    labels = tmp_path / "labels.csv"
    labels.write_text("bag,episode,start_s,end_s,outcome,failure_type,onset_s\n" + line + "\n")
    with pytest.raises(FormatError, match="line 2") as error:
        run(tmp_path, robot_messages(), labels=labels, episodes={"divided_by": "labels"})
    assert what in str(error.value)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"rate": -1}, "rate"),
        ({"speed": 3}, "speed"),
        ({"outcomes": {"failures": {"slip": {"topic": "/a"}}}}, "collision"),
        ({"episodes": {"divided_by": "events"}}, "start"),
        ({"unlabelled": "success"}, "refuse"),
    ],
)
def test_a_wrong_map_is_refused_in_one_line(tmp_path, changes, what):
    with pytest.raises(FormatError, match=what) as error:
        load_topic_map(write_map(tmp_path / "map.yaml", **changes))
    assert "map.yaml" in str(error.value)
    assert "\n" not in str(error.value)


SERVICE_EVENT = """service_msgs/ServiceEventInfo info
std_srvs/srv/SetBool_Request[<=1] request
std_srvs/srv/SetBool_Response[<=1] response
================================================================================
MSG: service_msgs/ServiceEventInfo
uint8 event_type
builtin_interfaces/Time stamp
char[16] client_gid
int64 sequence_number
================================================================================
MSG: std_srvs/srv/SetBool_Request
bool data
================================================================================
MSG: std_srvs/srv/SetBool_Response
bool success
string message
"""


def service_log(stamp: int, success: bool):
    """One call as rosbag2 records it: request and response, each by client and by server."""
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg(SERVICE_EVENT, "std_srvs/srv/SetBool_Event"))
    kinds, found = store.types, []
    for kind in range(4):
        now = stamp + 1000 * kind
        info = kinds["service_msgs/msg/ServiceEventInfo"](
            kind,
            kinds["builtin_interfaces/msg/Time"](now // 10**9, now % 10**9),
            np.arange(16, dtype=np.uint8),
            7,
        )
        asked = [kinds["std_srvs/srv/msg/SetBool_Request"](True)] if kind < 2 else []
        answered = [kinds["std_srvs/srv/msg/SetBool_Response"](success, "")] if kind > 1 else []
        name = "std_srvs/srv/msg/SetBool_Event"
        event = kinds[name](info, asked, answered)
        found.append((now + 5_000_000, bytes(store.serialize_cdr(event, name))))
    return found


@pytest.mark.parametrize(("success", "imported"), [(True, 1), (False, 0)])
def test_the_log_of_a_service_tells_how_an_episode_ended(tmp_path, success, imported):
    messages = [m for m in robot_messages(("",)) if m[0] != "/phase"]
    with Writer(tmp_path / "robot", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kinds = dict.fromkeys((topic, kind) for topic, kind, _, _ in messages)
        connections = {t: writer.add_connection(t, kind, typestore=STORE) for t, kind in kinds}
        for topic, kind, time, message in messages:
            writer.write(connections[topic], time, STORE.serialize_cdr(message, kind))
        log = writer.add_connection(
            "/done/_service_event",
            "std_srvs/srv/SetBool_Event",
            msgdef=SERVICE_EVENT,
            rihs01="RIHS01_" + "0" * 64,
        )
        for time, data in service_log(START + 12 * STEP - 7000, success):
            writer.write(log, time, data)
    done = {"topic": "/done/_service_event", "field": "response.success", "equals": True}
    the_map = write_map(
        tmp_path / "map.yaml", episodes={"divided_by": "whole_bag"}, outcomes={"success": done}
    )
    report = import_foreign_bags([tmp_path / "robot"], tmp_path / "s.zarr", the_map)
    assert len(report.imported) == imported
    if imported:
        (record,) = Store.open(tmp_path / "s.zarr").records
        assert (record.outcome, record.onset_step) == (Outcome.SUCCESS, 12)
    else:
        assert "no event says how it ended" in report.lost[0].reason
