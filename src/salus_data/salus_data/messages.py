"""Messages to arrays, records and contracts; no ROS.

A message is anything that has the fields of its .msg file: an object of rclpy or of the library
rosbags. So what is recorded live and what is imported from a bag go through the same lines.
"""

import json
import math
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.action_space import ActionSpace
from salus_data.contract import Column, Contract
from salus_data.episode import EpisodeRecord
from salus_data.errors import ContractMismatchError, FormatError
from salus_data.layout import JOINTS, OBJECTS
from salus_data.types import NO_FAILURE, Outcome

Array = NDArray[np.float64]
NANOSECONDS: Final = 1_000_000_000
CONTRACT_VERSION: Final = 1
"""`schema_version` of the contract messages that this code reads and writes."""


def to_nanoseconds(stamp: Any) -> int:
    """A builtin_interfaces/Time as whole nanoseconds."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def stamp_of(message: Any) -> int:
    """The header stamp [ns] of a message."""
    return to_nanoseconds(message.header.stamp)


@lru_cache(maxsize=8)
def _joint_order(names: tuple[str, ...]) -> NDArray[np.intp]:
    """Where each of JOINTS stands among the names of a message."""
    try:
        return np.array([names.index(joint) for joint in JOINTS])
    except ValueError:
        raise FormatError(f"joint_states has joints {list(names)}; needs {list(JOINTS)}") from None


def joints_from(message: Any) -> Array:
    """The first (27,) of a state: positions, velocities and efforts in the order of JOINTS.

    Raises:
        FormatError: a joint is missing, or a quantity is not given for every joint.
    """
    names = tuple(message.name)
    order = _joint_order(names)
    for quantity in ("position", "velocity", "effort"):
        if len(getattr(message, quantity)) != len(names):
            raise FormatError(f"joint_states gives no {quantity} for every joint")
    parts = (message.position, message.velocity, message.effort)
    return np.concatenate([np.asarray(part, np.float64)[order] for part in parts])


def pose_from(pose: Any) -> Array:
    """A geometry_msgs/Pose as (7,): position and quaternion xyzw."""
    p, q = pose.position, pose.orientation
    return np.array([p.x, p.y, p.z, q.x, q.y, q.z, q.w])


def ee_from(message: Any) -> Array:
    """The last (7,) of a state, from a geometry_msgs/PoseStamped."""
    return pose_from(message.pose)


def perceived_from(message: Any) -> Array:
    """A perceived scene (30,); objects that are not in the message are NaN.

    Raises:
        FormatError: an object is unknown, or names, poses and sizes differ in number.
    """
    rows = np.full((len(OBJECTS), 10), np.nan)
    if not len(message.names) == len(message.poses) == len(message.sizes):
        raise FormatError(
            f"perceived has {len(message.names)} names, {len(message.poses)} poses and "
            f"{len(message.sizes)} sizes"
        )
    for name, pose, size in zip(message.names, message.poses, message.sizes, strict=True):
        if name not in OBJECTS:
            raise FormatError(f"perceived names {name!r}; known: {', '.join(OBJECTS)}")
        rows[OBJECTS.index(name), :7] = pose_from(pose)
        rows[OBJECTS.index(name), 7:] = size.x, size.y, size.z
    return rows.reshape(-1)


def image_from(message: Any) -> NDArray[np.uint8]:
    """The image as (H, W, 3) uint8 RGB, a view of the message's bytes.

    Raises:
        FormatError: the encoding is not rgb8, or the size does not fit the data.
    """
    if message.encoding != "rgb8":
        raise FormatError(f"image encoding is {message.encoding!r}; SALUS records rgb8")
    data = np.frombuffer(message.data, np.uint8)
    if data.size != message.height * message.width * 3:
        raise FormatError(
            f"image of {message.width} x {message.height} has {data.size} bytes, "
            f"not {message.height * message.width * 3}"
        )
    return data.reshape(message.height, message.width, 3)


def record_from_message(
    message: Any, *, policy: str, first_intervention_step: int = -1
) -> EpisodeRecord:
    """The record of an ended episode, from its EpisodeEvent.

    Raises:
        FormatError: the disturbance is no JSON object, or a number has no meaning.
    """
    where = f"episode {message.episode_id}"
    try:
        disturbance = json.loads(message.disturbance or "{}")
        outcome = Outcome(int(message.outcome))
    except ValueError as error:
        raise FormatError(f"{where}: {error}") from error
    if not isinstance(disturbance, dict):
        raise FormatError(f"{where}: disturbance is {message.disturbance!r}")
    if len(message.milestone_names) != len(message.milestone_steps):
        raise FormatError(
            f"{where}: {len(message.milestone_names)} milestones at "
            f"{len(message.milestone_steps)} steps"
        )
    failed = outcome is Outcome.FAILURE
    return EpisodeRecord(
        id=message.episode_id,
        index=int(message.index),
        seed=int(message.seed),
        task=message.task,
        disturbance=disturbance,
        abrupt=bool(message.abrupt),
        policy=policy,
        outcome=outcome,
        failure_type=int(message.failure_type) if failed else NO_FAILURE,
        onset_step=int(message.onset_step),
        confirm_step=int(message.confirm_step),
        onset_time=float(message.onset_time) if message.onset_step >= 0 else math.nan,
        timeout_kind=message.timeout_kind,
        bodies=tuple(message.bodies),
        force=float(message.force),
        first_intervention_step=first_intervention_step,
        idle_steps=int(message.idle_steps),
        milestones=tuple(
            (name, int(step))
            for name, step in zip(message.milestone_names, message.milestone_steps, strict=True)
        ),
    )


def contract_from_message(message: Any) -> Contract:
    """The contract of a salus_msgs/Contract.

    Raises:
        ContractMismatchError: the schema version is another one, or the digest does not fit.
    """
    if message.schema_version != CONTRACT_VERSION:
        raise ContractMismatchError(
            f"contract has schema version {message.schema_version}; this version of SALUS knows "
            f"{CONTRACT_VERSION}"
        )
    space = message.action_space
    contract = Contract(
        step_period=float(message.step_period),
        action_space=ActionSpace(
            space.name,
            tuple(space.names),
            tuple(space.units),
            tuple(map(float, space.low)),
            tuple(map(float, space.high)),
        ),
        state=_columns(message.state),
        perceived=_columns(message.perceived),
        signals=_columns(message.signals),
        cameras=tuple(message.cameras),
        ensemble_size=int(message.ensemble_size),
        horizons=tuple(int(h) for h in message.horizons),
        failure_types=tuple(message.failure_types),
        task=message.task,
        policy=message.policy,
        policy_digest=message.policy_digest,
        config_digest=message.config_digest,
    )
    if contract.digest() != message.digest:
        raise ContractMismatchError(
            f"contract digest is {message.digest}, its content has {contract.digest()}"
        )
    return contract


def _columns(messages: Any) -> tuple[Column, ...]:
    return tuple(Column(m.name, m.unit, bool(m.optional)) for m in messages)
