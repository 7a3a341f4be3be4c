"""A few faults strike real processes; `salus bench faults-online` lets hundreds strike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learning import make_data
from salus_msgs.msg import FailureForecast, PolicyAction

from salus.bench.audit import Command, why_unsafe
from salus.bench.faults_online import inject
from salus.bench.online_faults.stage import Strike
from salus.bench.watched import Watched
from salus_data.contract import Column
from salus_data.errors import SalusError
from salus_data.signals import ROBOT_SIGNAL_COLUMNS
from salus_data.types import SupervisorStatus
from salus_predictor.calibration.calibrate import choose_thresholds
from salus_predictor.model.folder import Episodes, Model
from salus_predictor.model.schema import Provenance
from salus_predictor.model.writing import save_model
from salus_predictor.steps import StepData
from salus_predictor.training.fit import fit_predictor
from salus_predictor.training.options import TrainOptions

ROBOT = ("finger_effort", "joint_effort", "gripper_gap", "ee_speed", "ee_height", "object_distance")
"""What the synthetic signals are taken for, so that the model fits the expert's graph."""

KNOWN = {column.name: column for column in ROBOT_SIGNAL_COLUMNS}


def model_folder(folder: Path, names: tuple[str, ...]) -> str:
    """A small model that is trained on synthetic episodes of these signals."""

    def renamed(data: StepData) -> StepData:
        columns = [KNOWN.get(name, Column(name, "1")) for name in names]
        contract = replace(data.contract, signals=tuple(columns), policy="expert", policy_digest="")
        return replace(data, contract=contract)

    data, held = renamed(make_data(40)), renamed(make_data(40, first=40))
    options = TrainOptions(kind="trees", rounds=4, inputs=",".join(names))
    predictor = fit_predictor(data, held, options)
    seeds = (tuple(r.seed for r in d.records) for d in (data, held))
    calibration = choose_thresholds(predictor, held, 0.2)
    save_model(Model(predictor, calibration, Provenance(seed=0), Episodes(*seeds), "trees"), folder)
    return str(folder)


@pytest.mark.ros
@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
def test_the_arm_holds_in_time_and_goes_on_afterwards(tmp_path: Path) -> None:
    model = model_folder(tmp_path / "model", ROBOT)
    names = ("kill predictor", "NaN pose", "clock back", "kill recorder", "flood")
    strikes = inject(Watched(model), len(names), names=names)
    assert [strike.name for strike in strikes] == list(names)
    assert {strike.name: strike.problems() for strike in strikes if strike.problems()} == {}
    assert [strike.held_at - strike.step for strike in strikes[:3]] == [0, 0, 0]
    assert [strike.held_at for strike in strikes[3:]] == [-1, -1]


@pytest.mark.ros
@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
def test_a_model_that_cannot_forecast_here_is_refused(tmp_path: Path) -> None:
    model = model_folder(tmp_path / "model", ("epistemic", *ROBOT[1:]))
    with pytest.raises(SalusError, match=r"without a fault: stale forecast.*epistemic"):
        inject(Watched(model), 1)


def test_a_late_hold_and_a_wrong_reason_are_found() -> None:
    strike = Strike("x", step=20, must_hold=True, named=("clock",), recovered=True)
    assert "never held" in strike.problems()[0]
    strike.held_at, strike.reason = 23, "clock went back"
    assert strike.problems()
    strike.held_at = 22
    assert not strike.problems()
    strike.reason = "no forecast"
    assert "no forecast" in strike.problems()[0]


# --- the audit ------------------------------------------------------------------------------------


def command(
    values: list[float],
    status: SupervisorStatus = SupervisorStatus.NORMAL,
    *,
    stale: str = "",
    forecasts: int = 1,
) -> Command:
    proposed = PolicyAction(step=7, values=[0.01, 0.0, -0.01, 0.0, 0.0, 0.0, 1.0])
    forecast = FailureForecast(step=7, stale_reason=stale, probability=[0.1])
    visited = np.array([[0.4, 0.0, 0.3], [0.42, 0.0, 0.3]])
    return Command(
        PolicyAction(step=7, values=values, supervisor_state=int(status)),
        [proposed],
        [forecast] * forecasts,
        (1.0,),
        visited[-1],
        visited,
    )


STILL = [0.0] * 6 + [1.0]
PROPOSED = [0.01, 0.0, -0.01, 0.0, 0.0, 0.0, 1.0]


def test_what_may_be_sent() -> None:
    assert why_unsafe(command(PROPOSED)) == ""
    assert why_unsafe(command([v / 2 for v in PROPOSED[:6]] + [1.0])) == ""
    assert why_unsafe(command(STILL, forecasts=0)) == ""
    back = [-0.005, 0, 0, 0, 0, 0, 1.0]
    assert why_unsafe(command(back, SupervisorStatus.RETREATING, forecasts=0)) == ""


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (command(PROPOSED, forecasts=0), "no fresh forecast"),
        (command(PROPOSED, stale="late"), "no fresh forecast"),
        (command([0.02, *PROPOSED[1:]]), "neither"),
        (command([-0.01, *PROPOSED[1:]]), "neither"),
        (command([*STILL[:6], 0.0]), "neither"),
        (command([float("nan"), *PROPOSED[1:]]), "not seven finite"),
        (command([0.005, 0, 0, 0, 0, 0, 1.0], SupervisorStatus.RETREATING), "no place"),
        (command([-0.02, 0, 0, 0, 0, 0, 1.0], SupervisorStatus.RETREATING), "a retreat of"),
    ],
)
def test_what_may_not(sent: Command, why: str) -> None:
    assert why in why_unsafe(sent)
