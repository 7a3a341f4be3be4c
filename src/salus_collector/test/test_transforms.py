"""Frames of the simulated robot: what tf says of a camera is where its picture is taken from."""

import mujoco
import numpy as np
import pytest

pytest.importorskip("salus_msgs.msg")

from geometry_msgs.msg import PoseStamped
from probe import Probe, call
from salus_msgs.srv import Reset
from scipy.spatial.transform import Rotation

from salus_collector.nodes.sim_node import SimNode
from salus_collector.nodes.transform_publisher import fixed_frames
from salus_collector.sim.environment import PandaPickPlace
from salus_collector.sim.observation import true_state
from salus_data.layout import EE_POSITION, EE_QUATERNION
from salus_ros import topics

pytestmark = pytest.mark.ros

OPTICAL = np.diag([1, -1, -1])  # z forward, y down, from z backward, y up


def pose_of(frame):
    t, q = frame.transform.translation, frame.transform.rotation
    return np.array([t.x, t.y, t.z]), Rotation.from_quat([q.x, q.y, q.z, q.w])


@pytest.mark.parametrize("camera", ["front", "wrist"])
def test_a_camera_is_where_its_frame_says_it_is(camera):
    with PandaPickPlace(image_size=0) as environment:
        environment.reset(seed=4)
        world = environment.world
        world.reset()  # an episode shifts its cameras by millimetres, which no calibration knows
        world.data.qpos[world.arm_positions] += (0.3, -0.2, 0.1, 0.4, -0.3, 0.2, 0.5)
        mujoco.mj_forward(world.model, world.data)
        state = true_state(world)
        frames = {frame.child_frame_id: frame for frame in fixed_frames(environment.mounts)}
        carriers = {
            topics.BASE_FRAME: (np.zeros(3), Rotation.identity()),
            topics.EE_FRAME: (state[EE_POSITION], Rotation.from_quat(state[EE_QUATERNION])),
        }
        frame = frames[topics.optical_frame(camera)]
        base, turn = carriers[frame.header.frame_id]
        position, rotation = pose_of(frame)
        true = world.data.camera(camera)
        assert base + turn.apply(position) == pytest.approx(true.xpos, abs=1e-9)
        matrix = (turn * rotation).as_matrix()
        assert matrix == pytest.approx(true.xmat.reshape(3, 3) @ OPTICAL, abs=1e-9)


def test_a_camera_that_is_moved_does_not_move_its_mount():
    with PandaPickPlace(image_size=0) as environment:
        before = [mount.position.copy() for mount in environment.mounts]
        environment.world.model.cam_pos[:] += 0.1
        after = [mount.position for mount in environment.mounts]
        assert np.array(after) == pytest.approx(np.array(before))


def test_the_gripper_and_the_fixed_frames_reach_a_listener(graph):
    tf2 = pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not installed")
    graph.add(SimNode, {"image_size": 0, "seed": 3, "step_limit": 20})
    probe = graph.add(Probe)
    moving = probe.listen(tf2.TFMessage, "/tf", 100)
    fixed = probe.listen(tf2.TFMessage, "/tf_static", topics.LATCHED_QOS)
    poses = probe.listen(PoseStamped, topics.EE_POSE)
    assert graph.spin_until(lambda: fixed and probe.count_publishers(topics.EE_POSE))
    graph.spin_for(0.3)
    client = probe.create_client(Reset, "reset")
    assert call(graph, client, Reset.Request(index=0)).success
    assert graph.spin_until(lambda: moving and poses)
    (frame,) = moving[-1].transforms
    assert (frame.header.stamp, frame.header.frame_id) == (poses[-1].header.stamp, "base_link")
    position, _ = pose_of(frame)
    pose = poses[-1].pose.position
    assert position == pytest.approx([pose.x, pose.y, pose.z])
    assert len(fixed[-1].transforms) == 3
