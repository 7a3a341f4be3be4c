"""A model as it is run: the predictor, its thresholds, and what it was calibrated on."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.errors import ContractMismatchError
from salus_predictor.model.base import Predictor

Array = NDArray[np.float64]

PERIOD_TOLERANCE = 1e-9


@dataclass(frozen=True)
class WatchedModel:
    """A predictor with its calibration.

    Attributes:
        predictor: forecasts.
        model_id: digest of the model.
        calibration_id: digest of the calibration; empty where it was never calibrated.
        policies: (name, digest) of the policies whose episodes it was calibrated on.
        elevated: (H, C) advisory thresholds; infinite where none can be stated.
        alarm: (H, C) alarm thresholds, nowhere below `elevated`.
        scale: (K,) standard deviation in training of each of `predictor.inputs`; NaN unknown.
        embedding_size: width M of the policy's hidden state that it reads; 0 for none.
    """

    predictor: Predictor
    model_id: str
    calibration_id: str
    policies: tuple[tuple[str, str], ...]
    elevated: Array
    alarm: Array
    scale: Array
    embedding_size: int = 0

    def __post_init__(self) -> None:
        contract = self.predictor.contract
        shape = (len(contract.horizons), len(contract.failure_types))
        if self.elevated.shape != shape or self.alarm.shape != shape:
            raise ContractMismatchError(
                f"thresholds have shapes {self.elevated.shape} and {self.alarm.shape}; "
                f"horizons and failure types ask for {shape}"
            )

    @cached_property
    def horizons(self) -> Array:
        """The model's horizons (H,) [s]."""
        contract = self.predictor.contract
        return np.array(contract.horizons) * contract.step_period

    def is_calibrated_on(self, contract: Contract) -> bool:
        """Whether it was calibrated on the policy of that contract."""
        return bool(self.calibration_id) and (
            (contract.policy, contract.policy_digest) in self.policies
        )

    def require_fits(self, live: Contract, embedding_size: int = 0) -> None:
        """Check that a running graph gives what the model reads, in the same meaning.

        Signals that the model does not read, cameras and horizons of labels may differ.

        Args:
            live: the graph's contract.
            embedding_size: width of the hidden state that its policy publishes; 0 for none.

        Raises:
            ContractMismatchError: names the first thing that differs and both values.
        """
        mine = self.predictor.contract
        if abs(mine.step_period - live.step_period) > PERIOD_TOLERANCE:
            raise ContractMismatchError(
                f"the model's step period is {mine.step_period} s, the robot's {live.step_period} s"
            )
        for field in ("action_space", "failure_types"):
            if getattr(mine, field) != getattr(live, field):
                raise ContractMismatchError(
                    f"model and robot differ in {field}: {getattr(mine, field)} and "
                    f"{getattr(live, field)}"
                )
        units = {column.name: column.unit for column in mine.signals}
        given = {column.name: column.unit for column in live.signals}
        for name in self.predictor.inputs:
            if name not in given:
                raise ContractMismatchError(
                    f"the model reads {name}; this graph gives {', '.join(given) or 'no signals'}"
                )
            if given[name] != units.get(name, given[name]):
                raise ContractMismatchError(
                    f"the model reads {name} in {units[name]}, this graph gives it in {given[name]}"
                )
        if self.embedding_size not in (0, embedding_size):
            raise ContractMismatchError(
                f"the model reads the policy's embedding of {self.embedding_size} numbers, this "
                f"graph gives {embedding_size}; policy_node publishes it with `embedding: true`"
            )
