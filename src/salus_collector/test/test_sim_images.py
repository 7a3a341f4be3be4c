"""What the cameras see, and the markers that describe the same scene."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from salus_collector.sim import meshes, scene
from salus_collector.sim.environment import PandaPickPlace
from salus_collector.sim.markers import scene_markers
from salus_collector.sim.render import CameraRenderer, ImagePool, RenderError

SIZE = 128
HOLD = np.array([0, 0, 0, 0, 0, 0, 1.0])


@pytest.fixture(scope="module")
def environment():
    with PandaPickPlace(image_size=SIZE, obstacle_probability=1.0) as made:
        yield made


def share(image, colour):
    """The share of pixels in which a colour is twice as strong as the other two."""
    pixels = image.astype(float) + 1
    others = [channel for channel in range(3) if channel != colour]
    return float((pixels[..., colour] > 2 * pixels[..., others].max(axis=-1)).mean())


RED, GREEN, BLUE = range(3)


@pytest.mark.parametrize("seed", range(6))
def test_the_front_camera_sees_cube_bin_and_robot(environment, seed):
    observation, _ = environment.reset(seed=seed)
    image = observation["image_front"]
    assert image.shape == (SIZE, SIZE, 3)
    assert image.dtype == np.uint8
    assert 60 < image.mean() < 220
    assert image.std() > 20
    assert share(image, RED) > 0.001
    assert share(image, BLUE) > 0.02


def test_the_wrist_camera_sees_the_cube_below_it(environment):
    environment.reset(seed=4)
    environment.freeze_stall(True)
    world = environment.world
    for _ in range(60):
        error = world.object_position + np.array((0, 0, 0.15)) - world.gripper_position
        motion = np.clip(error, -0.012, 0.012)
        observation, *_ = environment.step(np.array([*motion, 0, 0, 0, 1.0]))
    assert share(observation["image_wrist"], RED) > 0.01
    assert observation["image_wrist"].std() > 20


def test_images_follow_the_scene_and_are_buffers_of_their_own(environment):
    first, _ = environment.reset(seed=1)
    kept = first["image_front"].copy()
    for _ in range(10):
        second, *_ = environment.step(np.array([0.02, 0.02, 0, 0, 0, 0, 1.0]))
    assert (second["image_front"] != kept).mean() > 0.01
    np.testing.assert_array_equal(first["image_front"], kept)


def test_camera_and_light_changes_show(environment):
    plain, _ = environment.reset(seed=1)
    environment.world.move_camera("front", (0.05, 0, 0), (0, 0, 0.1))
    moved, *_ = environment.step(HOLD)
    assert (moved["image_front"] != plain["image_front"]).mean() > 0.05
    environment.reset(seed=1)
    environment.world.set_light(0.2)
    dark, *_ = environment.step(HOLD)
    assert dark["image_front"].mean() < plain["image_front"].mean() - 10


def test_no_images_where_none_are_wanted():
    observation, _ = PandaPickPlace(image_size=0).reset(seed=0)
    assert set(observation) == {"state", "perceived"}


def test_a_renderer_that_cannot_start_says_what_is_missing(environment, monkeypatch):
    def fails(*args):
        raise RuntimeError("no display")

    monkeypatch.setattr("mujoco.Renderer", fails)
    monkeypatch.setenv("MUJOCO_GL", "egl")
    with pytest.raises(RenderError, match="libegl1"):
        CameraRenderer(environment.world.model, 32)


def test_missing_opengl_libraries_are_named_and_nothing_else_is_tried():
    script = """
import sys
sys.modules["mujoco.egl"] = None
from salus_collector.sim.environment import PandaPickPlace
PandaPickPlace(image_size=0).reset(seed=0)
print("without images")
PandaPickPlace(image_size=32).reset(seed=0)
"""
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MUJOCO_GL": "egl"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert result.stdout == "without images\n"
    assert "RenderError" in result.stderr
    assert "libegl1" in result.stderr


def test_mujoco_imported_too_early_is_said(environment, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    with pytest.raises(RenderError, match="imported before"):
        CameraRenderer(environment.world.model, 32)


def test_a_buffer_is_used_again_only_when_nobody_refers_to_it():
    pool = ImagePool(8)
    first = pool.take()
    view = first[2:4]
    where = first.ctypes.data
    second = pool.take()
    assert second.ctypes.data != where
    del first
    assert pool.take().ctypes.data != where  # a view is still there
    del view
    assert pool.take().ctypes.data == where


def test_another_thread_is_refused_and_not_crashed(environment):
    renderer = CameraRenderer(environment.world.model, 32)
    raised = []

    def draw():
        try:
            renderer.render(environment.world.data, "front")
        except RenderError as error:
            raised.append(error)

    thread = threading.Thread(target=draw)
    thread.start()
    thread.join()
    assert len(raised) == 1
    renderer.close()


def test_markers_name_every_visible_shape_where_it_is(environment):
    environment.reset(seed=4)
    world = environment.world
    markers = {marker.name: marker for marker in scene_markers(world)}
    assert {"table", "floor", "cube", "obstacle", "bin_floor", "hand", "link0"} <= set(markers)
    cube = markers["cube"]
    np.testing.assert_allclose(cube.position, world.object_position)
    np.testing.assert_allclose(cube.extents, world.object_extents)
    assert cube.shape == "box"
    assert not cube.fixed
    assert markers["table"].fixed
    assert not markers["obstacle"].fixed
    assert cube.rgba[0] > 0.5 > cube.rgba[1]
    for marker in markers.values():
        assert np.linalg.norm(marker.quaternion) == pytest.approx(1)
        assert (marker.mesh is not None) == (marker.shape == "mesh")
        assert marker.mesh is None or marker.mesh.suffix == ".stl"


def test_a_mesh_marker_stands_in_the_frame_of_its_link(environment):
    """The collision meshes are drawn in the link's frame, so marker and body coincide."""
    environment.reset(seed=4)
    world = environment.world
    for marker in scene_markers(world):
        if marker.shape == "mesh":
            body = world.data.body(marker.name)
            np.testing.assert_allclose(marker.position, body.xpos, atol=1e-6)
            x, y, z, w = marker.quaternion
            assert abs(np.dot((w, x, y, z), body.xquat)) == pytest.approx(1, abs=1e-6)


def test_an_absent_obstacle_has_no_marker():
    environment = PandaPickPlace(image_size=0, obstacle_probability=0.0)
    environment.reset(seed=0)
    assert scene.OBSTACLE not in {marker.name for marker in scene_markers(environment.world)}


def test_missing_meshes_are_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setattr(meshes, "PACKAGE", "no_such_package")
    with pytest.raises(meshes.MissingMeshError, match="pip install"):
        meshes.mesh_files()
    monkeypatch.setattr(meshes, "PACKAGE", "gymnasium_robotics")
    monkeypatch.setattr(meshes, "FOLDER", "nowhere")
    with pytest.raises(meshes.MissingMeshError, match=r"link0\.stl"):
        meshes.mesh_files()
