"""Diagnostics of a node: rates against nominal, latency, drops, staleness, once a second.

Every report has `rate_hz`, `steps`, `seconds_since_step` (`never` before the first) and `drops`;
`nominal_rate_hz` where the node has a rate to keep, `latency_p50_ms` and `latency_p99_ms` once it
has answered something; then the node's own counts and names, and whom it has met on each topic
(`meeting`). docs/ARCHITECTURE.md lists them.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from salus_data.contract import Contract
from salus_ros import meeting
from salus_ros.topics import DIAGNOSTICS

PERIOD = 1.0
"""Seconds of wall time between two reports."""

FLOWING = 0.2
"""Seconds after a step within which another one is expected: a report waits for its end."""

LATENCIES = 300
"""Latest steps whose latency is reported."""


class Diagnostics:
    """Counts what a node does; `ok`, `warn` and `error` set what it says about itself.

    Wall time, not /clock: in lockstep simulated time stands still when a node hangs, and that is
    what a report must show. Making one takes a millisecond, so a node in whose steps that counts
    says when nobody waits for it (`step_over`).

    Args:
        node: that reports.
        nominal_rate: steps a second that it should make [Hz]; None where it has no rate to keep.
        facts: asked for more at every report; what it says goes before what was counted.
        contract: asked for the contract that the node has heard, where it needs one; its rate is
            nominal then.
    """

    def __init__(
        self,
        node: Node,
        nominal_rate: Callable[[], float] | None = None,
        facts: Callable[[], Mapping[str, str]] | None = None,
        contract: Callable[[], Contract | None] | None = None,
    ) -> None:
        self._node = node
        self._nominal_rate, self._facts, self._contract = nominal_rate, facts, contract
        self._publisher = node.create_publisher(DiagnosticArray, DIAGNOSTICS, 10)
        self._timer = node.create_timer(
            PERIOD, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._level, self._message = DiagnosticStatus.OK, "ok"
        self._counts: dict[str, int] = {}
        self._values: dict[str, str] = {}
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._steps = self._steps_before = self._drops = 0
        self._last = time.monotonic()
        self._last_step: float | None = None
        self._last_end = -FLOWING
        self._due = False

    def step(self) -> None:
        """Count one control step."""
        self._steps += 1
        self._last_step = time.monotonic()

    def step_over(self) -> None:
        """Say that a step is over and the next one yet to come: a report that is due goes out."""
        self._last_end = time.monotonic()
        if self._due:
            self._publish()

    def count(self, what: str, number: int = 1) -> None:
        """Add to a named count (drops, rejected actions, ...)."""
        self._counts[what] = self._counts.get(what, 0) + number

    def dropped(self, number: int = 1) -> None:
        """Count what was lost, refused or came too late to be of use."""
        self._drops += number

    def tell(self, what: str, value: str) -> None:
        """Set a named value (model id, calibration id, ...)."""
        self._values[what] = value

    def latency(self, seconds: float) -> None:
        """Add one time from input to output [s of wall time]."""
        self._latencies.append(seconds)

    def ok(self, message: str = "ok") -> None:
        """Say that all is well."""
        self._level, self._message = DiagnosticStatus.OK, message

    def warn(self, message: str) -> None:
        """Say what is not as it should be."""
        self._level, self._message = DiagnosticStatus.WARN, message

    def error(self, message: str) -> None:
        """Say what is broken."""
        self._level, self._message = DiagnosticStatus.ERROR, message

    def _on_timer(self) -> None:
        if self._due or time.monotonic() - self._last_end >= FLOWING:
            self._publish()
        else:
            self._due = True

    def _publish(self) -> None:
        self._due = False
        now = time.monotonic()
        rate = (self._steps - self._steps_before) / (now - self._last)
        since = "never" if self._last_step is None else f"{now - self._last_step:.1f}"
        values = {"rate_hz": f"{rate:.1f}", "seconds_since_step": since}
        if self._nominal_rate is not None:
            values["nominal_rate_hz"] = f"{self._nominal_rate():.1f}"
        if self._contract is not None:
            contract = self._contract()
            values["nominal_rate_hz"] = f"{1 / contract.step_period if contract else 0.0:.1f}"
            values[meeting.CONTRACT] = contract.policy if contract else meeting.NO_CONTRACT
        values |= {"steps": str(self._steps), "drops": str(self._drops)}
        values |= {k: str(v) for k, v in self._counts.items()}
        values |= self._values
        if self._facts is not None:
            values |= self._facts()
        if self._latencies:
            latencies = sorted(1000 * latency for latency in self._latencies)
            values["latency_p50_ms"] = f"{latencies[len(latencies) // 2]:.2f}"
            values["latency_p99_ms"] = f"{latencies[int(0.99 * len(latencies))]:.2f}"
        values |= meeting.met_by(self._node)
        self._steps_before, self._last = self._steps, now
        status = DiagnosticStatus(
            level=self._level,
            name=self._node.get_fully_qualified_name().lstrip("/"),
            message=self._message,
            hardware_id="salus",
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
