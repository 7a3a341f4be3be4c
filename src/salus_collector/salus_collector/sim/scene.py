"""The scene: Panda, table, red cube, blue bin, an obstacle and two cameras, built by MjSpec.

The world frame is the base frame of the arm; the table's top is z = 0 [m].
"""

from typing import Any, Final

import mujoco

from salus_collector.sim.panda import ROBOT, SHOWN_GROUP, WORLD, add_panda, look_at

CUBE, BIN, OBSTACLE, TABLE, FLOOR = "cube", "bin", "obstacle", "table", "floor"
"""Names of bodies and geoms, as the events report them."""

CAMERAS: Final = ("front", "wrist")

PHYSICS_STEP: Final = 1 / 240
"""[s]. 1/30 s is eight of these; the usual 2 ms does not divide a control step."""

BIN_HALF: Final = (0.08, 0.08, 0.03)
"""Half of the bin's outer extents [m]."""
BIN_WALL: Final = 0.004
"""Half the thickness of its walls and floor [m]."""

CUBE_HALF: Final = 0.02
OBSTACLE_HALF: Final = (0.03, 0.03, 0.06)
HIDDEN: Final = (0.0, 0.0, -3.0)
"""Where an obstacle is kept that an episode does not have: below the floor."""

CONTACT_SENSORS: Final = (
    # name, side 1 (kind, name), side 2 (kind, name)
    ("robot_table", ("tree", "link0"), ("geom", TABLE)),
    ("robot_obstacle", ("tree", "link0"), ("geom", OBSTACLE)),
    ("robot_bin", ("tree", "link0"), ("body", BIN)),
    ("object_obstacle", ("body", CUBE), ("geom", OBSTACLE)),
    ("object_left", ("body", CUBE), ("body", "left_finger")),
    ("object_right", ("body", CUBE), ("body", "right_finger")),
    ("object_table", ("body", CUBE), ("geom", TABLE)),
    ("object_floor", ("body", CUBE), ("geom", FLOOR)),
)
"""Pairs whose contact MuJoCo itself sums up at every substep."""

_KIND: Final = {
    "tree": mujoco.mjtObj.mjOBJ_XBODY,
    "body": mujoco.mjtObj.mjOBJ_BODY,
    "geom": mujoco.mjtObj.mjOBJ_GEOM,
}
_NET_FORCE: Final = 3
"""`reduce` of a contact sensor: one vector sum over the contacts of the pair."""


def build_spec(image_size: int) -> Any:
    """The scene as an `mujoco.MjSpec`, with an off-screen buffer of `image_size` pixels."""
    spec = mujoco.MjSpec()
    spec.modelname = "salus_pick_place"
    spec.compiler.degree, spec.compiler.autolimits = False, True
    option = spec.option
    option.timestep = PHYSICS_STEP
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    # Elliptic cones and a high impedance ratio keep a gripped cube from creeping out.
    option.cone, option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 10
    # An unstable simulation must be seen, not silently put back to its start.
    option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
    _set_visuals(spec, image_size)
    add_panda(spec)
    _add_furniture(spec)
    _add_front_camera(spec)
    for name, first, second in CONTACT_SENSORS:
        _add_contact_sensor(spec, name, first, second)
    return spec


def _set_visuals(spec: Any, image_size: int) -> None:
    visual = spec.visual
    visual.global_.offwidth = visual.global_.offheight = max(image_size, 1)
    # Shadows and multisampling cost forty times the rest of the image on a software renderer.
    visual.quality.shadowsize = visual.quality.offsamples = 0
    visual.map.znear = 0.002  # of the scene's extent: the wrist camera sees fingers 5 cm away
    visual.quality.numquads = 1  # a finer grid on every box only shows with spot lights
    visual.headlight.ambient = (0.35, 0.35, 0.36)
    visual.headlight.diffuse = (0.30, 0.30, 0.30)
    visual.headlight.specular = (0.05, 0.05, 0.05)
    for position, direction, strength in (
        ((0.9, -0.8, 1.6), (-0.3, 0.5, -1.0), 0.45),
        ((0.2, 0.9, 1.4), (0.15, -0.6, -1.0), 0.25),
    ):
        light = spec.worldbody.add_light()
        light.pos, light.dir, light.castshadow = position, direction, False
        light.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
        light.diffuse, light.specular = (strength,) * 3, (0.05,) * 3


def _box(
    body: Any,
    name: str,
    position: tuple[float, ...],
    half: tuple[float, ...],
    rgba: tuple[float, ...],
) -> Any:
    geom = body.add_geom()
    geom.name, geom.type = name, mujoco.mjtGeom.mjGEOM_BOX
    geom.pos, geom.size, geom.rgba, geom.group = position, half, rgba, SHOWN_GROUP
    geom.contype, geom.conaffinity = WORLD, ROBOT | WORLD
    return geom


def _add_furniture(spec: Any) -> None:
    world = spec.worldbody
    # A box and no plane: MuJoCo draws a plane as so fine a grid that the image costs twice as much.
    _box(world, FLOOR, (0, 0, -0.41), (6, 6, 0.01), (0.42, 0.45, 0.50, 1))
    _box(world, TABLE, (0.35, 0, -0.02), (0.55, 0.55, 0.02), (0.74, 0.65, 0.53, 1))

    container = world.add_body()
    container.name, container.mocap, container.pos = BIN, True, (0.5, 0.22, 0)
    x, y, z = BIN_HALF
    wall = BIN_WALL
    light, deep = (0.16, 0.32, 0.85, 1), (0.10, 0.20, 0.65, 1)
    _box(container, "bin_floor", (0, 0, wall), (x, y, wall), deep)
    for name, position, half in (
        ("bin_far", (x, 0, z), (wall, y, z)),
        ("bin_near", (-x, 0, z), (wall, y, z)),
        ("bin_left", (0, y, z), (x, wall, z)),
        ("bin_right", (0, -y, z), (x, wall, z)),
    ):
        _box(container, name, position, half, light)

    cube = world.add_body()
    cube.name, cube.pos = CUBE, (0.45, -0.15, CUBE_HALF)
    joint = cube.add_freejoint()
    joint.name = "cube_free"
    geom = _box(cube, CUBE, (0, 0, 0), (CUBE_HALF,) * 3, (0.84, 0.11, 0.10, 1))
    geom.mass, geom.friction, geom.condim, geom.solref = 0.1, (1, 0.005, 0.0001), 4, (0.01, 1)

    obstacle = world.add_body()
    obstacle.name, obstacle.mocap, obstacle.pos = OBSTACLE, True, (0.47, 0.03, OBSTACLE_HALF[2])
    _box(obstacle, OBSTACLE, (0, 0, 0), OBSTACLE_HALF, (0.25, 0.58, 0.32, 1))


def _add_front_camera(spec: Any) -> None:
    camera = spec.worldbody.add_camera()
    position = (1.22, 0, 0.74)
    camera.name, camera.pos, camera.fovy = "front", position, 45
    camera.quat = look_at(position, (0.40, 0, 0.16))


def _add_contact_sensor(
    spec: Any, name: str, first: tuple[str, str], second: tuple[str, str]
) -> None:
    sensor = spec.add_sensor()
    sensor.name, sensor.type = name, mujoco.mjtSensor.mjSENS_CONTACT
    sensor.objtype, sensor.objname = _KIND[first[0]], first[1]
    sensor.reftype, sensor.refname = _KIND[second[0]], second[1]
    fields = mujoco.mjtConDataField
    data = (1 << int(fields.mjCONDATA_FOUND)) | (1 << int(fields.mjCONDATA_FORCE))
    sensor.intprm[:3] = (data, _NET_FORCE, 1)
