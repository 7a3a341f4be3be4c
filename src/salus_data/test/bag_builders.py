"""Small SALUS bags without ROS: the messages of drawn episodes, as a recorder would see them."""

import functools
import json
import shutil
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from builders import make_arrays, make_contract, make_record
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys.store import Typestore

from salus_data.bags.definitions import typestore_with
from salus_data.bags.writer import EPISODES_KEY, BagWriter
from salus_data.contract import Contract
from salus_data.episode import EpisodeRecord
from salus_data.layout import (
    EE_POSITION,
    EE_QUATERNION,
    EFFORT,
    JOINTS,
    OBJECTS,
    POSITION,
    VELOCITY,
)
from salus_data.types import FailureType, Outcome

MESSAGES = Path(__file__).parents[2] / "salus_msgs/msg"
NAMESPACE = "/salus"
FRAME = (10, 12)


class Item(NamedTuple):
    """One serialised message: topic without namespace, type, log time [ns], bytes."""

    topic: str
    type: str
    time: int
    data: bytes


@functools.cache
def typestore() -> Typestore:
    """The types of ROS and SALUS; made once."""
    return typestore_with(MESSAGES)


class Messages:
    """Makes messages of the graph."""

    def __init__(self) -> None:
        self.store = typestore()
        self.types = self.store.types

    def item(self, topic: str, kind: str, stamp: int, /, **fields: Any) -> Item:
        message = self.types[kind](**fields)
        return Item(topic, kind, stamp, bytes(self.store.serialize_cdr(message, kind)))

    def header(self, stamp: int) -> Any:
        time = self.types["builtin_interfaces/msg/Time"](stamp // 10**9, stamp % 10**9)
        return self.types["std_msgs/msg/Header"](stamp=time, frame_id="")

    def contract(self, contract: Contract, policy_signals: int, embedding_size: int) -> Item:
        column = self.types["salus_msgs/msg/Column"]
        space = contract.action_space
        columns = {
            name: [column(c.name, c.unit, c.optional) for c in getattr(contract, name)]
            for name in ("state", "perceived", "signals")
        }
        return self.item(
            "contract",
            "salus_msgs/msg/Contract",
            0,
            header=self.header(0),
            schema_version=1,
            step_period=contract.step_period,
            action_space=self.types["salus_msgs/msg/ActionSpace"](
                space.name,
                list(space.names),
                list(space.units),
                np.array(space.low),
                np.array(space.high),
            ),
            **columns,
            policy_signals=policy_signals,
            embedding_size=embedding_size,
            cameras=list(contract.cameras),
            ensemble_size=contract.ensemble_size,
            failure_types=list(contract.failure_types),
            horizons=np.array(contract.horizons, np.uint32),
            task=contract.task,
            policy=contract.policy,
            policy_digest=contract.policy_digest,
            config_digest=contract.config_digest,
            digest=contract.digest(),
        )

    def event(self, record: EpisodeRecord, kind: int, stamp: int, steps: int) -> Item:
        return self.item(
            "episode",
            "salus_msgs/msg/EpisodeEvent",
            stamp,
            header=self.header(stamp),
            kind=kind,
            episode_id=record.id,
            index=record.index,
            seed=record.seed,
            task=record.task,
            disturbance=json.dumps(record.disturbance),
            abrupt=record.abrupt,
            idle_steps=record.idle_steps,
            step_period=1 / 30,
            outcome=int(record.outcome) if kind == 3 else 0,
            failure_type=record.failure_type,
            onset_step=record.onset_step,
            confirm_step=record.confirm_step,
            onset_time=record.onset_time,
            timeout_kind=record.timeout_kind,
            bodies=list(record.bodies),
            force=record.force,
            milestone_names=[name for name, _ in record.milestones],
            milestone_steps=np.array([step for _, step in record.milestones], np.int32),
            steps=steps,
            reason="",
        )

    def step(self, record: EpisodeRecord, arrays: dict[str, np.ndarray], t: int) -> list[Item]:
        stamp, state = int(arrays["stamp"][t]), arrays["state"][t]
        named = {"header": self.header(stamp), "episode_id": record.id, "step": t}
        scene = arrays["perceived"][t].reshape(len(OBJECTS), 10)
        vector = self.types["geometry_msgs/msg/Vector3"]
        action = {"action_space": "delta_ee", "chunk_phase": int(arrays["chunk_phase"][t])}
        items = [
            self.item(
                "joint_states",
                "sensor_msgs/msg/JointState",
                stamp,
                header=self.header(stamp),
                name=list(JOINTS),
                position=state[POSITION],
                velocity=state[VELOCITY],
                effort=state[EFFORT],
            ),
            self.item(
                "ee_pose",
                "geometry_msgs/msg/PoseStamped",
                stamp,
                header=self.header(stamp),
                pose=self.pose(state[EE_POSITION], state[EE_QUATERNION]),
            ),
            *(
                self.image(name.removeprefix("image_"), stamp, arrays[name][t])
                for name in sorted(arrays)
                if name.startswith("image_")
            ),
            self.item(
                "perceived",
                "salus_msgs/msg/PerceivedObjects",
                stamp,
                **named,
                names=list(OBJECTS),
                poses=[self.pose(row[:3], row[3:7]) for row in scene],
                sizes=[vector(*row[7:]) for row in scene],
            ),
            self.item(
                "uncertainty",
                "salus_msgs/msg/PolicyUncertainty",
                stamp,
                **named,
                values=arrays["signals"][t, :1].astype(np.float64),
                validity=arrays["signal_validity"][t, :1],
            ),
            self.item(
                "action_proposed",
                "salus_msgs/msg/PolicyAction",
                stamp,
                **named,
                **action,
                values=arrays["action_proposed"][t],
                supervisor_state=0,
            ),
            self.item(
                "action",
                "salus_msgs/msg/PolicyAction",
                stamp,
                **named,
                **action,
                values=arrays["action"][t],
                supervisor_state=int(arrays["supervisor_state"][t]),
            ),
        ]
        if "embedding" in arrays:
            items.append(
                self.item(
                    "embedding",
                    "salus_msgs/msg/PolicyEmbedding",
                    stamp,
                    **named,
                    layer="prefix",
                    values=arrays["embedding"][t].astype(np.float32),
                )
            )
        return items

    def pose(self, position: np.ndarray, quaternion: np.ndarray) -> Any:
        return self.types["geometry_msgs/msg/Pose"](
            self.types["geometry_msgs/msg/Point"](*position),
            self.types["geometry_msgs/msg/Quaternion"](*quaternion),
        )

    def image(self, camera: str, stamp: int, pixels: np.ndarray) -> Item:
        return self.item(
            f"camera/{camera}/image_raw",
            "sensor_msgs/msg/Image",
            stamp,
            header=self.header(stamp),
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding="rgb8",
            is_bigendian=0,
            step=3 * pixels.shape[1],
            data=pixels.reshape(-1),
        )


PLAN = (
    (Outcome.FAILURE, FailureType.DROP),
    (Outcome.SUCCESS, -1),
    (Outcome.FAILURE, FailureType.COLLISION),
)


def drawn_episodes(
    count: int = 3, *, length: int = 12, embedding: bool = False
) -> tuple[Contract, list[tuple[EpisodeRecord, dict[str, np.ndarray]]]]:
    """A contract and episodes as records and arrays; every pair of outcomes differs."""
    contract = make_contract()
    made, time = [], 1.0
    for index in range(count):
        outcome, kind = PLAN[index % len(PLAN)]
        record = make_record(index, outcome, kind, length=length + index, bodies=("cube",))
        arrays = make_arrays(contract, record, length=length + index, frame=FRAME, start_time=time)
        if embedding:
            shape = (length + index, 5)
            arrays["embedding"] = np.random.default_rng(index).normal(size=shape).astype(np.float16)
        made.append((record, arrays))
        time += (length + index + 5) / 30
    return contract, made


def bag_items(
    contract: Contract, made: list[tuple[EpisodeRecord, dict[str, np.ndarray]]]
) -> list[Item]:
    """Every message of those episodes in the order of a recording."""
    messages = Messages()
    width = made[0][1]["embedding"].shape[1] if "embedding" in made[0][1] else 0
    items = [messages.contract(contract, policy_signals=1, embedding_size=width)]
    for record, arrays in made:
        steps = len(arrays["stamp"])
        items.append(messages.event(record, 1, int(arrays["stamp"][0]), 0))
        for t in range(steps):
            items += messages.step(record, arrays, t)
        items.append(messages.event(record, 3, int(arrays["stamp"][-1]), steps))
    return items


def write_bag(
    path: Path,
    items: Iterable[Item],
    *,
    index: bool = True,
    without_field: tuple[str, str] | None = None,
) -> Path:
    """Write an MCAP bag as `salus collect --bag` does; `without_field`: by an older definition."""
    items = list(items)
    messages = Messages()
    store = messages.store
    if without_field is not None:
        store, items = _older(path.with_name("older"), without_field, items)
    writer = BagWriter(path, store)
    for topic, kind in dict.fromkeys((i.topic, i.type) for i in items):
        writer.add_topic(f"{NAMESPACE}/{topic}", kind, ())
    for item in items:
        writer.write(f"{NAMESPACE}/{item.topic}", item.time, item.data)
        if item.topic == "episode" and index:
            event = messages.store.deserialize_cdr(item.data, item.type)
            if event.kind == 3:
                stamp = event.header.stamp.sec * 10**9 + event.header.stamp.nanosec
                writer.end_episode(
                    {
                        "id": event.episode_id,
                        "end_stamp": stamp,
                        "end_crc32": zlib.crc32(item.data),
                    }
                )
    writer.close({"command": "test"})
    if not index:
        text = (path / "metadata.yaml").read_text()
        (path / "metadata.yaml").write_text(text.replace(EPISODES_KEY, "other"))
    return path


def write_sqlite_bag(path: Path, items: Iterable[Item]) -> Path:
    """Write a SQLite bag with the library alone."""
    items = list(items)
    store = Messages().store
    with Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connections = {
            topic: writer.add_connection(f"{NAMESPACE}/{topic}", kind, typestore=store)
            for topic, kind in dict.fromkeys((i.topic, i.type) for i in items)
        }
        for item in items:
            writer.write(connections[item.topic], item.time, item.data)
    return path


def _older(
    folder: Path, without_field: tuple[str, str], items: list[Item]
) -> tuple[Typestore, list[Item]]:
    """The types without one field of a message, and the messages without it."""
    message, gone = without_field
    shutil.copytree(MESSAGES, folder)
    file = folder / f"{message}.msg"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if gone not in line.split("#")[0]))
    older, kind = typestore_with(folder), f"salus_msgs/msg/{message}"

    def rewrite(item: Item) -> Item:
        if item.type != kind:
            return item
        found = typestore().deserialize_cdr(item.data, kind)
        return item._replace(data=bytes(older.serialize_cdr(found, kind)))

    return older, [rewrite(item) for item in items]
