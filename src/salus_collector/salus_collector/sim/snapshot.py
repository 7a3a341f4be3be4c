"""A snapshot of an episode, from which it goes on bit for bit."""

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from salus_collector.sim.disturbance import Disturbance
from salus_collector.sim.events import EventMonitor
from salus_collector.sim.parameters import Parameters
from salus_data.errors import FormatError

Array = NDArray[np.float64]

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


@dataclass(frozen=True)
class Snapshot:
    """Everything that decides how an episode goes on.

    Attributes:
        sim_state: (M,) as `PandaPickPlace.sim_state`.
        parameters: the model parameters of the episode.
        step: number of the last observation.
        seed: of the episode.
        idle_steps: drawn for the episode.
        flags: held, ever held, has an obstacle, the episode is over.
        grip: the opening that the hand was last told [0, 1].
        opening: the last distance between the fingers [m].
        monitor: the events, copied.
        disturbance: what goes wrong, copied.
        observation: the last one, copied.
    """

    sim_state: Array
    parameters: Parameters
    step: int
    seed: int
    idle_steps: int
    flags: tuple[bool, bool, bool, bool]
    grip: float
    opening: float
    monitor: EventMonitor
    disturbance: Disturbance
    observation: dict[str, NDArray[Any]]


def integration_state(model: Any, data: Any) -> Array:
    """All that decides MuJoCo's next step (mjSTATE_INTEGRATION), (M,)."""
    state = np.empty(mujoco.mj_stateSize(model, _STATE))
    mujoco.mj_getState(model, data, state, _STATE)
    return state


def set_integration_state(model: Any, data: Any, state: Array) -> None:
    """Put back what `integration_state` returned, poses and contacts included.

    Raises:
        FormatError: the vector is not of this model.
    """
    size = mujoco.mj_stateSize(model, _STATE)
    if state.shape != (size,):
        raise FormatError(f"sim_state has shape {state.shape}; this model has ({size},)")
    mujoco.mj_resetData(model, data)  # an earlier instability's warnings are not in the state
    mujoco.mj_setState(model, data, state, _STATE)
    mujoco.mj_forward(model, data)
    # The forward pass has moved the solver's warm start, which decides the last bits of a step.
    mujoco.mj_setState(model, data, state, _STATE)
