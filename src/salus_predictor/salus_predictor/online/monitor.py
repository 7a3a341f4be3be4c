"""The model beside a running robot: one report a step, or the reason why there is none."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.errors import SalusError
from salus_predictor.model.base import Stream
from salus_predictor.online.evidence import Evidence
from salus_predictor.online.forecasts import (
    bounded,
    expected_times,
    risk_levels,
    why_no_probability,
)
from salus_predictor.online.join import StepJoin, StepParts
from salus_predictor.online.signals import OnlineSignals
from salus_predictor.online.warnings import Crossing, Warnings
from salus_predictor.online.watched import WatchedModel
from salus_predictor.supervisor.failsafe import ClockWatch
from salus_predictor.supervisor.risk import RiskLevel

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Report:
    """What is said of one step.

    Attributes:
        stamp: of the observation [ns]; step: its index.
        probability: (H, C), NaN where stale; outcome: (C + 1,); expected_time: (C,) [s].
        levels: (H, C) `RiskLevel`, UNKNOWN where stale.
        stale: why there is no forecast; empty where there is one.
        crossings: warnings raised and cleared at this step.
        evidence: names and changes (standard deviations) of the signals that moved most; of
            raised warnings alone.
        row: (K,) float32 the signals, as a recorder stores them; None where they are not known.
    """

    stamp: int
    step: int
    probability: Array
    outcome: Array
    expected_time: Array
    levels: NDArray[np.uint8]
    stale: str = ""
    crossings: tuple[Crossing, ...] = ()
    evidence: tuple[tuple[str, ...], tuple[float, ...]] = ((), ())
    row: NDArray[np.float32] | None = None

    @cached_property
    def level(self) -> RiskLevel:
        """The highest of the levels."""
        return RiskLevel(int(self.levels.max(initial=0)))


class Monitor:
    """Follows one graph; contract and model may come in any order and change between steps.

    Attributes:
        model: the model that runs; None before one is loaded.
        contract: of the graph; None before one has come.
        episode: that is followed.
    """

    def __init__(self) -> None:
        self.model: WatchedModel | None = None
        self.contract: Contract | None = None
        self.episode = ""
        self.join = StepJoin()
        self._signals: OnlineSignals | None = None
        self._stream: Stream | None = None
        self._columns: NDArray[np.int64] = np.empty(0, np.int64)
        self._inputs: frozenset[str] = frozenset()
        self._rows: list[tuple[NDArray[np.float32], NDArray[np.float32] | None]] = []
        self._embedding_size = 0
        self._refused = "no contract has come"
        self._model_refused = "no model is loaded"
        self._evidence: Evidence | None = None
        self._warnings: Warnings | None = None
        self._clock: ClockWatch | None = None
        self._told = -1  # the last step that was reported

    # --- what it works with ----------------------------------------------------------------------

    def on_contract(self, contract: Contract, policy_signals: int, embedding_size: int = 0) -> None:
        """Hear the contract of the graph; another one than before ends the episode's forecasts.

        Args:
            contract: of the graph.
            policy_signals: how many of its signals come from the policy.
            embedding_size: width of the hidden state that the policy publishes; 0 for none.

        Raises:
            ContractMismatchError: it cannot be followed, or the model does not fit. Every forecast
                is stale from then on, with that reason.
        """
        if contract == self.contract and embedding_size == self._embedding_size:
            return
        changed = self.contract is not None and bool(self.episode)
        self.contract, self._embedding_size = contract, embedding_size
        self.join.policy_signals = policy_signals > 0
        if changed:
            self.join.broken = "the contract changed during the episode; waits for the next one"
        self._clock = ClockWatch(contract.step_period)
        self._rows, self._signals = [], None
        try:
            self._signals = OnlineSignals(contract, policy_signals)
            self._refused = ""
        except SalusError as error:
            self._refused = str(error)
            raise
        self._fit()

    def load(self, model: WatchedModel) -> None:
        """Take over a model between two steps; the rows of the running episode are played to it.

        Raises:
            ContractMismatchError: it does not fit the graph; the model before stays.
        """
        if self.contract is not None:
            model.require_fits(self.contract, self._embedding_size)
        self.model = model
        self._fit()

    def unload(self, reason: str) -> None:
        """Run without a model; every forecast is stale for that reason."""
        self.model, self._stream, self._model_refused = None, None, reason
        self.join.embedding = False

    def _fit(self) -> None:
        """Bring model and contract together, where both are there."""
        model, contract = self.model, self.contract
        if model is None or contract is None:
            return
        self._stream = None
        try:
            model.require_fits(contract, self._embedding_size)
        except SalusError as error:
            self._model_refused = str(error)
            raise
        self._model_refused = ""
        inputs = model.predictor.inputs
        names = [column.name for column in contract.signals]
        self._inputs = frozenset(inputs)
        self._columns = np.array([names.index(name) for name in inputs], np.int64)
        self._evidence = Evidence(inputs, model.scale, contract.step_period)
        first_id = self._warnings.next_id if self._warnings else 1
        self._warnings = Warnings(
            model.horizons, model.alarm, contract.step_period, first_id=first_id
        )
        self._stream = model.predictor.stream()
        self.join.embedding = model.embedding_size > 0
        if self.join.embedding and any(embedding is None for _, embedding in self._rows):
            self.join.broken = (
                "the model reads the policy's embedding, of which the steps before it was loaded "
                "were not kept; waits for the next episode"
            )
            return
        for row, embedding in self._rows:
            self._stream.step(self._asked(row, embedding))
            self._evidence.add(row[self._columns])

    def _asked(
        self, row: NDArray[np.float32], embedding: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        """What the model's stream reads of a step."""
        inputs = row[self._columns]
        if not self.join.embedding:
            return inputs
        assert embedding is not None
        return np.concatenate([inputs, embedding])

    # --- the steps -------------------------------------------------------------------------------

    def begin(self, episode: str, stamp: int) -> None:
        """Begin an episode whose first observation has that stamp [ns]; once for each."""
        if episode == self.episode:
            return
        self.episode, self._rows, self._told = episode, [], -1
        self.join.begin(stamp)
        for part in (self._signals, self._evidence, self._warnings, self._clock):
            if part is not None:
                part.begin()
        if self._stream is not None:
            self._stream.reset()

    def reports(self) -> list[Report]:
        """Every report that can be made of what has come, in order; each step once.

        None before the contract has come: nobody knows yet what the numbers mean.
        """
        reports: list[Report] = []
        if self.contract is None:
            return reports
        while (taken := self.join.take()) is not None:
            reports.append(self._step(*taken))
            self._told = reports[-1].step
        if self.join.broken:
            for step in range(max(self._told + 1, 0), self.join.newest + 1):
                stamp = self.join.stamp_of(step)
                if stamp is not None:
                    reports.append(self._stale(stamp, step, self._why_silent or self.join.broken))
            self._told = self.join.newest
        return reports

    def look_ahead(self) -> None:
        """Compute what the observation of the next step already tells, while the policy thinks."""
        if self._signals is not None and (ready := self.join.observed()) is not None:
            with suppress(SalusError):  # the step itself tells what is wrong
                self._signals.observe(*ready)

    @property
    def _why_silent(self) -> str:
        return self._refused or self._model_refused

    def _step(self, parts: StepParts, executed: Array | None) -> Report:
        clock = self._clock.observe(parts.step, parts.stamp) if self._clock else ""
        if self._signals is None:
            return self._stale(parts.stamp, parts.step, self._refused)
        try:
            row, validity = self._signals.step(parts, executed)
        except SalusError as error:
            self.join.broken = f"step {parts.step}: {error}; waits for the next episode"
            return self._stale(parts.stamp, parts.step, self.join.broken)
        self._rows.append((row, parts.embedding))
        model, stream = self.model, self._stream
        if model is None or stream is None:
            return self._stale(parts.stamp, parts.step, self._why_silent, row)
        if self._evidence is not None:
            self._evidence.add(row[self._columns])
        try:
            forecast = stream.step(self._asked(row, parts.embedding))
        except (SalusError, ValueError, ArithmeticError, RuntimeError) as error:
            self.join.broken = f"the model failed at step {parts.step}: {error}"
            return self._stale(parts.stamp, parts.step, self.join.broken, row)
        shape = model.alarm.shape
        reason = (
            clock
            or self._signals.unusable(row, validity, self._inputs)
            or why_no_probability(forecast.probability, forecast.outcome, (shape[0], shape[1]))
        )
        if reason:
            return self._stale(parts.stamp, parts.step, reason, row)
        levels = risk_levels(forecast.probability, model.elevated, model.alarm)
        crossings, evidence = self._crossings(forecast.probability, levels)
        return Report(
            parts.stamp,
            parts.step,
            bounded(forecast.probability),
            bounded(forecast.outcome),
            expected_times(forecast.probability, model.horizons),
            levels,
            crossings=crossings,
            evidence=evidence,
            row=row,
        )

    def _crossings(
        self, probability: Array, levels: NDArray[np.uint8]
    ) -> tuple[tuple[Crossing, ...], tuple[tuple[str, ...], tuple[float, ...]]]:
        if self._warnings is None or self._evidence is None:
            return (), ((), ())
        crossings = tuple(self._warnings.step(probability, levels))
        raised = any(crossing.raised for crossing in crossings)
        return crossings, self._evidence.strongest() if raised else ((), ())

    def _stale(
        self, stamp: int, step: int, reason: str, row: NDArray[np.float32] | None = None
    ) -> Report:
        shape = self.model.alarm.shape if self.model is not None else (0, 0)
        return Report(
            stamp,
            step,
            np.full(shape, np.nan),
            np.full(shape[1] + 1 if shape[1] else 0, np.nan),
            np.full(shape[1], np.nan),
            np.full(shape, RiskLevel.UNKNOWN, np.uint8),
            stale=reason,
            row=row,
        )
