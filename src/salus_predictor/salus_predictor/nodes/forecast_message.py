"""Forecasts as messages, and back."""

import numpy as np
from salus_msgs.msg import FailureForecast, FailureWarning

from salus_data.contract import Contract
from salus_predictor.online.monitor import Report
from salus_predictor.online.watched import WatchedModel
from salus_predictor.supervisor.risk import Risk
from salus_ros.convert import header, set_stamp


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


class ForecastMessages:
    """Makes the messages of reports; each call fills the same object anew.

    Publishing copies a message before it returns, and making one costs as much as publishing it.
    """

    def __init__(self) -> None:
        self._message = FailureForecast()
        self._contract: Contract | None = None
        self._model: WatchedModel | None = None

    def of(
        self, report: Report, episode: str, contract: Contract, model: WatchedModel | None
    ) -> FailureForecast:
        """The message of a report; without a model it has no horizons and says why."""
        if contract is not self._contract or model is not self._model:
            self._take_over(contract, model)
        message = self._message
        set_stamp(message.header.stamp, report.stamp)
        message.episode_id, message.step = episode, report.step
        message.probability = report.probability.ravel().tolist()
        message.outcome_probability = report.outcome.tolist()
        message.expected_time = report.expected_time.tolist()
        message.level = int(report.level)
        message.levels = report.levels.ravel().tolist()
        message.stale_reason = report.stale
        return message

    def _take_over(self, contract: Contract, model: WatchedModel | None) -> None:
        """Fill in what all messages of this model on this graph have in common."""
        self._contract, self._model = contract, model
        calibrated = model is not None and model.is_calibrated_on(contract)
        self._message = FailureForecast(
            step_period=contract.step_period,
            horizons=model.horizons.tolist() if model else [],
            failure_types=list(model.predictor.contract.failure_types) if model else [],
            model_id=model.model_id if model else "",
            calibration_id=model.calibration_id if model and calibrated else "",
        )


def warning_messages(
    report: Report, episode: str, contract: Contract, model: WatchedModel
) -> list[FailureWarning]:
    """The messages of the warnings that a report raises and clears."""
    if not report.crossings:
        return []
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
