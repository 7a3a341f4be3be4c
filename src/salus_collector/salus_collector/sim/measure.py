"""Measures what the documents state: `python -m salus_collector.sim.measure ik|speed`."""

import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from salus_collector.sim.environment import PandaPickPlace
from salus_collector.sim.kinematics import InverseKinematics
from salus_collector.sim.scene import CAMERAS
from salus_collector.sim.world import SUBSTEPS

Array = NDArray[np.float64]
Solver = Callable[[Array, Array, Array], Array]

_HOLD: Final = np.array([0, 0, 0, 0, 0, 0, 1.0])


def _mink_solver(model: Any, start: Array, limited: bool) -> Solver:
    import mink

    configuration = mink.Configuration(model, start.copy())
    frame = mink.FrameTask("tcp", "site", 1.0, 1.0, lm_damping=1e-3)
    posture = mink.PostureTask(model, cost=1e-3)
    posture.set_target_from_configuration(configuration)
    limits = [mink.ConfigurationLimit(model)] if limited else []

    def solve(position: Array, quaternion: Array, joints: Array) -> Array:
        full = start.copy()
        full[:7] = joints
        configuration.update(full)
        pose = mink.SE3.from_rotation_and_translation(mink.SO3(quaternion), position)
        frame.set_target(pose)
        for _ in range(2):
            velocity = mink.solve_ik(
                configuration, [frame, posture], 1.0, "daqp", damping=1e-6, limits=limits
            )
            configuration.integrate_inplace(velocity, 1.0)
        return np.array(configuration.q[:7])

    return solve


def measure_kinematics(steps: int = 2000) -> None:
    """Follow the same random way, 16 mm a step, with our solver and with mink's."""
    environment = PandaPickPlace(image_size=0)
    environment.reset(seed=0)
    world = environment.world
    start = world.data.qpos.copy()
    check = mujoco.MjData(world.model)
    solvers = {
        "damped least squares": InverseKinematics(world.model).solve,
        "mink, daqp, joint limits": _mink_solver(world.model, start, limited=True),
        "mink, daqp, no limits": _mink_solver(world.model, start, limited=False),
    }
    for name, solve in solvers.items():
        random = np.random.default_rng(0)
        joints, goal = start[:7].copy(), np.empty(3)
        quaternion = world.gripper_quaternion
        position: Array = world.gripper_position.copy()
        times, errors = [], []
        for step in range(steps):
            if step % 40 == 0:
                goal[:] = random.uniform((0.35, -0.3, 0.02), (0.6, 0.3, 0.35))
            way = goal - position
            position += way * min(1, 0.016 / max(float(np.linalg.norm(way)), 1e-9))
            began = perf_counter()
            joints = solve(position, quaternion, joints)
            times.append(perf_counter() - began)
            check.qpos[:7] = joints
            mujoco.mj_kinematics(world.model, check)
            errors.append(float(np.linalg.norm(check.site_xpos[world.tcp] - position)))
        print(
            f"{name:26} {np.median(times) * 1e6:6.0f} us a step, "
            f"off by {np.median(errors) * 1e3:.3f} mm (median), {max(errors) * 1e3:.2f} mm (most)"
        )


def measure_speed(rounds: int = 40, steps: int = 10) -> None:
    """Time the environment against the same physics and images alone, in turns."""
    environment = PandaPickPlace(step_limit=1_000_000)
    environment.reset(seed=3)
    world = environment.world
    renderer = environment.renderer

    def physics() -> None:
        for _ in range(SUBSTEPS):
            mujoco.mj_step(world.model, world.data)

    def images() -> None:
        for camera in CAMERAS:
            renderer.render(world.data, camera)

    def bare() -> None:
        physics()
        images()

    def step() -> None:
        environment.freeze_stall(True)
        environment.step(_HOLD)

    parts = {"physics": physics, "images": images, "both": bare, "environment": step}
    times: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, part in parts.items():
            began = perf_counter()
            for _ in range(steps):
                part()
            times[name].append((perf_counter() - began) / steps * 1e3)
    for name, values in times.items():
        print(f"{name:12} {np.median(values):.2f} ms a control step (best {min(values):.2f})")
    ratio = np.median(np.divide(times["environment"], times["both"]))
    print(f"environment / both: {ratio:.2f}")


if __name__ == "__main__":
    if sys.argv[1:] == ["ik"]:
        measure_kinematics()
    elif sys.argv[1:] == ["speed"]:
        measure_speed()
    else:
        sys.exit(__doc__)
