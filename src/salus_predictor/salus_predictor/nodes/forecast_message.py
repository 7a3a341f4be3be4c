"""Forecasts as messages, and back."""

import numpy as np
from salus_msgs.msg import FailureForecast, FailureWarning

from salus_data.contract import Contract
from salus_predictor.online.monitor import Report
from salus_predictor.online.watched import WatchedModel
from salus_predictor.supervisor.risk import Risk
from salus_ros.convert import header


def risk_from(message: FailureForecast) -> Risk:
    """A forecast as the supervisor reads it; one of the wrong size says so in its `fault`."""
    shape = (len(message.horizons), len(message.failure_types))
    probability = np.asarray(message.probability, np.float64)
    levels = np.asarray(message.levels, np.uint8)
    fits = probability.size == levels.size == shape[0] * shape[1] > 0
    return Risk(
        step=int(message.step),
        horizons=np.asarray(message.horizons, np.float64),
        failure_types=tuple(message.failure_types),
        probability=probability.reshape(shape) if fits else probability,
        levels=levels.reshape(shape) if fits else levels,
        calibration_id=message.calibration_id,
        stale_reason=message.stale_reason,
    )


def forecast_message(
    report: Report, episode: str, contract: Contract, model: WatchedModel | None
) -> FailureForecast:
    """The message of a report; without a model it has no horizons and says why."""
    calibrated = model is not None and model.is_calibrated_on(contract)
    return FailureForecast(
        header=header(report.stamp),
        episode_id=episode,
        step=report.step,
        step_period=contract.step_period,
        horizons=model.horizons.tolist() if model else [],
        failure_types=list(model.predictor.contract.failure_types) if model else [],
        probability=report.probability.ravel().tolist(),
        outcome_probability=report.outcome.tolist(),
        expected_time=report.expected_time.tolist(),
        level=int(report.level),
        levels=report.levels.ravel().tolist(),
        model_id=model.model_id if model else "",
        calibration_id=model.calibration_id if model and calibrated else "",
        stale_reason=report.stale,
    )


def warning_messages(
    report: Report, episode: str, contract: Contract, model: WatchedModel
) -> list[FailureWarning]:
    """The messages of the warnings that a report raises and clears."""
    names, changes = report.evidence
    calibrated = model.is_calibrated_on(contract)
    return [
        FailureWarning(
            header=header(report.stamp),
            episode_id=episode,
            step=report.step,
            warning_id=crossing.warning_id,
            kind=FailureWarning.KIND_RAISED if crossing.raised else FailureWarning.KIND_CLEARED,
            failure_type=crossing.failure_type,
            horizon=crossing.horizon,
            probability=crossing.probability,
            threshold=crossing.threshold,
            expected_time=float(report.expected_time[crossing.failure_type]),
            evidence=list(names) if crossing.raised else [],
            evidence_change=list(changes) if crossing.raised else [],
            model_id=model.model_id,
            calibration_id=model.calibration_id if calibrated else "",
        )
        for crossing in report.crossings
    ]
