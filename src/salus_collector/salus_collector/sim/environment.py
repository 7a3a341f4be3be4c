"""The Panda's pick and place as a Gymnasium environment with events."""

import copy
import math
from typing import Any, Final

import gymnasium
import mujoco
import numpy as np
from numpy.typing import NDArray

from salus_collector.sim import observation as observations
from salus_collector.sim import randomisation, scene, task
from salus_collector.sim.config import SimulationConfig
from salus_collector.sim.contacts import ContactLog
from salus_collector.sim.control import Controller
from salus_collector.sim.disturbance import Disturbance, NoDisturbance, disturbance_generator
from salus_collector.sim.events import EventMonitor
from salus_collector.sim.facts import StepFacts
from salus_collector.sim.markers import Marker, scene_markers
from salus_collector.sim.mounts import camera_mounts
from salus_collector.sim.parameters import read_parameters, write_parameters
from salus_collector.sim.render import CameraRenderer
from salus_collector.sim.report import EventReport
from salus_collector.sim.rules import EventRules
from salus_collector.sim.snapshot import Snapshot, integration_state, set_integration_state
from salus_collector.sim.world import CONTROL_STEP, SUBSTEPS, World
from salus_data.action_space import action_space
from salus_data.errors import SalusError
from salus_data.layout import PERCEIVED, STATE
from salus_data.types import Outcome

Array = NDArray[np.float64]
Observation = dict[str, Any]  # of arrays; Gymnasium's own Dict space has this type

_UNSTABLE: Final = {
    "positions": int(mujoco.mjtWarning.mjWARN_BADQPOS),
    "velocities": int(mujoco.mjtWarning.mjWARN_BADQVEL),
    "accelerations": int(mujoco.mjtWarning.mjWARN_BADQACC),
}


class EpisodeOverError(SalusError, RuntimeError):
    """Raised when `step` is called before `reset` or after the end of an episode."""


class PandaPickPlace(gymnasium.Env[Observation, Array]):
    """A Panda that picks a cube and places it in a bin, past an obstacle, at 30 Hz.

    Observations: `state` (34,) and `perceived` (30,) float64 in the order of `salus_data.layout`;
    `image_front` and `image_wrist` (S, S, 3) uint8 unless image_size is 0. Every observation has
    arrays of its own.

    Args:
        config: the settings; keyword arguments replace single fields of it.

    Raises:
        ConfigurationError, UnknownNameError: a setting is not possible.
        MissingMeshError: the Panda's meshes are not installed.
    """

    metadata = {"render_modes": [], "render_fps": 30}  # noqa: RUF012 - as the base class has it

    task_description: Final = task.DESCRIPTION
    step_period: Final = CONTROL_STEP

    def __init__(self, config: SimulationConfig | None = None, **settings: Any) -> None:
        self.config = _configured(config, settings)
        self.space = action_space(self.config.action_space)
        self.world = World(self.config.image_size)
        self.mounts = camera_mounts(self.world)
        self.rules = EventRules(
            step_period=CONTROL_STEP,
            stall_budget=self.config.stall_budget,
            limit_is_timeout=self.config.timeout_rule == "limit",
        )
        self.monitor = EventMonitor(self.rules)
        self._controller = Controller(self.world, self.space)
        self._contacts = ContactLog(self.world)
        self._warnings = self.world.data.warning.number  # a view
        self._renderer: CameraRenderer | None = None
        self._disturbance: Disturbance = NoDisturbance()
        self._over = True
        self._force: Array = np.zeros(SUBSTEPS)
        self._seed = 0
        self._idle_steps = 0
        self._opening = 0.0
        self._observation: Observation = {}
        self._low, self._high = np.array(self.space.low), np.array(self.space.high)
        self.action_space = gymnasium.spaces.Box(self._low, self._high, dtype=np.float64)
        self.observation_space = self._observation_space()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: decides everything that is drawn; drawn itself if None.
            options: `disturbance`: a Disturbance or None.

        Returns:
            The observation of row 0, and a dictionary with `step`, `seed`, `idle_steps` (the
            policy is to hold for so many steps) and `milestones`.

        Raises:
            SalusError: an option is unknown.
        """
        super().reset(seed=seed)
        options = dict(options or {})
        disturbance = options.pop("disturbance", None)
        if options:
            raise SalusError(f"unknown reset options {sorted(options)}; known: disturbance")
        self._seed = int(self.np_random.integers(2**31)) if seed is None else int(seed)
        drawn = randomisation.draw(self._seed, self.config)
        self.world.reset()
        randomisation.apply(drawn, self.world)
        self.world.refresh()
        self._idle_steps = drawn.idle_steps
        self._disturbance = NoDisturbance() if disturbance is None else disturbance
        self._disturbance.on_reset(self.world, disturbance_generator(self._seed))
        mujoco.mj_forward(self.world.model, self.world.data)
        self.monitor.reset(drawn.idle_steps)
        self._controller.reset()
        self._opening = self.world.opening
        self._force = np.zeros(SUBSTEPS)
        self._over = False
        self._observe()
        info = self._info() | {
            "seed": self._seed,
            "idle_steps": self._idle_steps,
        }
        return dict(self._observation), info

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Act for one control step of eight physics steps.

        Returns:
            Observation, reward (1 on success, else 0), terminated (an event ended the episode),
            truncated (the step limit or an unstable simulation did), and a dictionary:
            `event`: EventReport of what ended it, or None; `onset`: EventReport of a candidate
            that appeared at this step, or None; `milestones`: (name, row) of all so far; `step`;
            `held`; `contact_force`, (SUBSTEPS,) what the collision rule reads: the largest force
            between robot, or held object, and what they are not to touch [N].

        Raises:
            ActionError: wrong size, or not finite; nothing has changed.
            EpisodeOverError: there is no episode to step.
        """
        if self._over:
            raise EpisodeOverError("the episode is over; call reset")
        checked = self.space.check(action, step=self.world.step)
        world = self.world
        command = self._disturbance.command(checked.copy(), world)
        command = np.minimum(np.maximum(command, self._low), self._high)
        world.clear_pushes()
        self._disturbance.before_step(world)
        world.grip = float(command[-1])
        self._advance(self._controller.plan(command))
        world.step += 1
        if (reason := self._instability()) is not None:
            self._over = True
            discarded = EventReport(Outcome.DISCARDED, confirm_step=world.step, reason=reason)
            return dict(self._observation), 0.0, False, True, self._info(event=discarded)
        world.refresh()
        self._force = self._contacts.robot_force
        if world.held:
            self._force = np.maximum(self._force, self._contacts.object_force)
        update = self.monitor.update(self._facts())
        world.held, world.ever_held = self.monitor.held, self.monitor.ever_held
        self._opening = world.opening
        self._observe()
        event, terminated, truncated = update.event, update.event is not None, False
        if not terminated and world.step >= self.config.step_limit:
            event = self.monitor.end_at_limit(world.step)
            truncated = event.outcome == Outcome.TRUNCATED
            terminated = not truncated
        self._over = terminated or truncated
        reward = float(event is not None and event.outcome == Outcome.SUCCESS)
        info = self._info(event=event, onset=update.onset)
        return dict(self._observation), reward, terminated, truncated, info

    @property
    def renderer(self) -> CameraRenderer:
        """The renderer of the cameras, made when first asked for; it belongs to that thread.

        Raises:
            RenderError: nothing can be rendered here.
        """
        if self._renderer is None:
            self._renderer = CameraRenderer(self.world.model, self.config.image_size)
        return self._renderer

    def go_on(self) -> None:
        """Let an episode that is over be stepped further, to see what a contact goes on to do.

        Its event stays what it was; every further step says again that it is over.
        """
        self._over = False

    def freeze_stall(self, frozen: bool) -> None:
        """Stop the stall clock, or let it run on: it stands while the supervisor holds."""
        self.monitor.stall_frozen = bool(frozen)

    @property
    def sim_state(self) -> Array:
        """The simulator's state (M,): mjSTATE_INTEGRATION and the commanded gripper pose (7)."""
        state = integration_state(self.world.model, self.world.data)
        return np.concatenate((state, self._controller.target))

    def snapshot(self) -> Snapshot:
        """Copy everything that decides how the episode goes on."""
        world = self.world
        return Snapshot(
            sim_state=self.sim_state,
            parameters=read_parameters(world.model),
            step=world.step,
            seed=self._seed,
            idle_steps=self._idle_steps,
            flags=(world.held, world.ever_held, world.has_obstacle, self._over),
            grip=world.grip,
            opening=self._opening,
            monitor=copy.deepcopy(self.monitor),
            disturbance=copy.deepcopy(self._disturbance),
            observation={name: array.copy() for name, array in self._observation.items()},
        )

    def restore(self, snapshot: Snapshot) -> Observation:
        """Go back to a snapshot of this environment, or of one with the same config.

        Returns:
            The observation at the snapshot. The same actions then give the same bytes.
        """
        world = self.world
        write_parameters(world.model, snapshot.parameters)
        set_integration_state(world.model, world.data, snapshot.sim_state[:-7])
        world.refresh()
        self._controller.target = snapshot.sim_state[-7:]
        world.step, world.grip = snapshot.step, snapshot.grip
        world.held, world.ever_held, world.has_obstacle, self._over = snapshot.flags
        self._seed, self._idle_steps = snapshot.seed, snapshot.idle_steps
        self._opening = snapshot.opening
        self.monitor = copy.deepcopy(snapshot.monitor)
        self._disturbance = copy.deepcopy(snapshot.disturbance)
        self._observation = {name: array.copy() for name, array in snapshot.observation.items()}
        return dict(self._observation)

    def camera_fovy(self, camera: str) -> float:
        """The vertical field of view of a camera [rad]."""
        return float(np.deg2rad(self.world.model.camera(camera).fovy[0]))

    def markers(self) -> tuple[Marker, ...]:
        """Every visible shape at its present pose, for viewers."""
        return scene_markers(self.world)

    def close(self) -> None:
        """Free the renderer."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _advance(self, targets: Array) -> None:
        model, data = self.world.model, self.world.data
        self._contacts.begin()
        for substep in range(SUBSTEPS):
            data.ctrl[:] = targets[substep]
            mujoco.mj_step(model, data)
            self._contacts.read(substep)
        self._contacts.finish()

    def _instability(self) -> str | None:
        bad = [what for what, index in _UNSTABLE.items() if self._warnings[index]]
        if not bad:
            return None
        return f"unstable simulation: {', '.join(bad)} not finite or too large"

    def _facts(self) -> StepFacts:
        world, contacts = self.world, self._contacts
        opening = world.opening
        clearance = task.clearance(world)
        # A grasp counts as a milestone in the step in which it begins.
        held = self.monitor.would_hold(int(contacts.fingers[-1]), clearance)
        return StepFacts(
            step=world.step,
            robot_force=contacts.robot_force,
            object_force=contacts.object_force,
            fingers=contacts.fingers,
            clearance=clearance,
            landed=contacts.landed,
            in_goal=task.is_in_bin(world),
            object_speed=math.hypot(*world.object_velocity.tolist()),
            object_width=2 * float(world.model.geom_size[world.cube_geom].min()),
            opening=opening,
            opening_speed=(opening - self._opening) / CONTROL_STEP,
            closing=world.grip < 0.5,
            gripper=world.gripper_position.copy(),
            reach=math.dist(world.gripper_position.tolist(), world.object_position.tolist()),
            bodies=contacts.bodies,
            milestones=task.milestones(world, held=held, clearance=clearance),
            object_name=scene.CUBE,
            over_goal=task.is_over_bin(world),
        )

    def _observe(self) -> None:
        world, disturbance = self.world, self._disturbance
        self._observation = {
            "state": disturbance.measure(observations.true_state(world), world),
            "perceived": disturbance.perceive(observations.true_perceived(world), world),
        }
        if self.config.image_size:
            renderer = self.renderer
            for camera in scene.CAMERAS:
                self._observation[f"image_{camera}"] = renderer.render(world.data, camera)

    def _info(
        self, *, event: EventReport | None = None, onset: EventReport | None = None
    ) -> dict[str, Any]:
        return {
            "step": self.world.step,
            "event": event,
            "onset": onset,
            "milestones": self.monitor.milestones,
            "held": self.world.held,
            "contact_force": self._force,
        }

    def _observation_space(self) -> gymnasium.spaces.Dict:
        spaces: dict[str, gymnasium.Space[Any]] = {
            name: gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float64)
            for name, size in (("state", len(STATE)), ("perceived", len(PERCEIVED)))
        }
        if size := self.config.image_size:
            for camera in scene.CAMERAS:
                spaces[f"image_{camera}"] = gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)
        return gymnasium.spaces.Dict(spaces)


def _configured(config: SimulationConfig | None, settings: dict[str, Any]) -> SimulationConfig:
    known = SimulationConfig.__dataclass_fields__
    if unknown := sorted(set(settings) - set(known)):
        raise SalusError(f"unknown settings {unknown}; known: {', '.join(known)}")
    base = config or SimulationConfig()
    return SimulationConfig(**{name: settings.get(name, getattr(base, name)) for name in known})
