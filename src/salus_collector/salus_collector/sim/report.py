"""How an event is reported."""

from dataclasses import dataclass

from salus_data.types import NO_FAILURE, Outcome


@dataclass(frozen=True)
class EventReport:
    """An event: what, when and between whom.

    Attributes:
        outcome: what the episode comes to.
        failure_type: number of the failure; NO_FAILURE unless the outcome is FAILURE.
        onset_step: first row that shows it.
        confirm_step: row at which what followed had confirmed it; -1 while it is a candidate.
        onset_time: seconds from row 0 to the end of the substep of the onset.
        bodies: the two bodies of a contact, or the object dropped or missed.
        force: largest contact force from onset to confirmation [N]; NaN where it has none.
        timeout_kind: `stall` or `limit`; empty otherwise.
        reason: why an episode was discarded or cut off; empty otherwise.
    """

    outcome: Outcome
    failure_type: int = NO_FAILURE
    onset_step: int = -1
    confirm_step: int = -1
    onset_time: float = float("nan")
    bodies: tuple[str, ...] = ()
    force: float = float("nan")
    timeout_kind: str = ""
    reason: str = ""
