"""Messages of a small episode for the tests of the gate, without ROS."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from salus_data.action_space import DELTA_EE, ActionSpace
from salus_data.contract import Contract
from salus_data.layout import PERCEIVED, STATE
from salus_data.signals import ROBOT_SIGNAL_COLUMNS
from salus_data.types import FAILURE_TYPES
from salus_predictor.supervisor.config import SupervisorConfig, parse_config
from salus_predictor.supervisor.core import Mode
from salus_predictor.supervisor.gate import Gate, Patience, Release
from salus_predictor.supervisor.risk import Risk, RiskLevel
from salus_predictor.supervisor.slots import Proposal

PERIOD = 0.1
HORIZONS = np.array([0.5, 1.0])
SECOND = 1_000_000_000
RULES = {
    "hold_limit": 1.0,
    "rules": [
        {
            "name": "r",
            "type": "collision",
            "within": 1.0,
            "do": "hold",
            "min_time": 0.0,
            "max_time": 0.5,
        }
    ],
}


def contract(space: ActionSpace = DELTA_EE, **fields: Any) -> Contract:
    return Contract(PERIOD, space, STATE, PERCEIVED, ROBOT_SIGNAL_COLUMNS, cameras=(), **fields)


def risk(
    step: int, level: RiskLevel = RiskLevel.NORMAL, *, calibrated: bool = True, stale: str = ""
) -> Risk:
    probability = np.full((2, 4), np.nan if stale else 0.1)
    levels = np.full((2, 4), level, np.uint8)
    name = "c1" if calibrated else ""
    return Risk(step, HORIZONS, FAILURE_TYPES, probability, levels, name, stale)


@dataclass
class Episode:
    """Feeds a gate as a graph does; `now` is the wall clock."""

    mode: Mode | None = Mode.ACTIVE
    patience: Patience = field(default_factory=Patience)
    config: SupervisorConfig = field(default_factory=lambda: parse_config(RULES, "test"))
    space: ActionSpace = DELTA_EE
    name: str = "0-000000"
    now: float = 0.0
    released: list[Release] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate = Gate(self.config, self.mode, self.patience)
        self.keep(self.gate.on_contract(contract(self.space), self.now))
        self.keep(self.gate.on_episode(self.name, running=True, now=self.now))

    def keep(self, releases: list[Release]) -> None:
        self.released += releases

    def stamp(self, step: int) -> int:
        return SECOND + round(step * PERIOD * SECOND)

    def observe(self, step: int, *, stamp: int | None = None, joints: Any = None) -> None:
        stamp = self.stamp(step) if stamp is None else stamp
        joints = np.zeros(27) if joints is None else joints
        self.keep(self.gate.on_observation(stamp, self.name, step, self.now))
        self.keep(self.gate.on_joints(stamp, joints, self.now))
        self.keep(self.gate.on_pose(stamp, np.array([0.0, 0, 0, 0, 0, 0, 1]), self.now))

    def propose(self, step: int, values: Any = None, *, stamp: int | None = None) -> None:
        values = np.full(self.space.size, 0.01) if values is None else np.asarray(values, float)
        stamp = self.stamp(step) if stamp is None else stamp
        proposal = Proposal(values, self.space.name)
        self.keep(self.gate.on_proposal(stamp, self.name, step, proposal, self.now))

    def forecast(self, step: int, level: RiskLevel = RiskLevel.NORMAL, **how: Any) -> None:
        self.keep(self.gate.on_forecast(self.name, risk(step, level, **how), self.now))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.keep(self.gate.on_time(self.now))

    def step(self, step: int, level: RiskLevel = RiskLevel.NORMAL, **how: Any) -> None:
        self.observe(step)
        self.propose(step)
        self.forecast(step, level, **how)

    @property
    def last(self) -> Release:
        return self.released[-1]

    @property
    def states(self) -> str:
        """First letters of what was done, step by step."""
        return "".join(r.ruling.status.name[0] for r in self.released)

    @property
    def would_be(self) -> str:
        return "".join(r.ruling.would_be.name[0] for r in self.released)
