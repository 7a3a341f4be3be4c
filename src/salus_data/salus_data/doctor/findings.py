"""What the doctor says: findings, and the report that gathers them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"  # broken data or labels: do not train on it
    WARNING = "warning"  # an assumption or a leak: it stays in the record of every model
    NOTE = "note"  # worth knowing


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor found.

    Attributes:
        severity: error, warning or note.
        code: stable name of the kind of finding, for machines.
        store: path of the store.
        message: what is wrong, with the value that was found.
        advice: what to do about it.
        field: array, column, attribute or field of the episode's record; empty for the whole store.
        episode: id of the first episode concerned; empty where it concerns none in particular.
        step: first row of that episode concerned; None where it concerns no step.
        count: how many episodes (or steps, where the message says so) are concerned.
    """

    severity: Severity
    code: str
    store: str
    message: str
    advice: str
    field: str = ""
    episode: str = ""
    step: int | None = None
    count: int = 1

    @property
    def place(self) -> str:
        """Where it is, in one line."""
        parts = [
            self.store,
            f"episode {self.episode}" if self.episode else "",
            "" if self.step is None else f"step {self.step}",
            self.field,
        ]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Leak:
    """How well a clock alone predicts the label of one failure type.

    Attributes:
        clock: `elapsed`, `since_milestone` or `chunk_phase`.
        failure_type: name of the type.
        horizon: in steps.
        auroc: area under the ROC curve of binned rates on episodes that did not fit them; None
            where there are too few failed episodes to say.
        episodes: failed episodes of that type.
    """

    clock: str
    failure_type: str
    horizon: int
    auroc: float | None
    episodes: int


@dataclass
class Report:
    """Everything that was found in a set of stores.

    Attributes:
        stores: their paths.
        strict: whether a warning makes the set unsound.
        findings: errors first.
        leaks: how well clocks predict the labels, also where that is no finding.
        phase_r2: share of each signal's variance that the chunk phase explains; empty without
            chunks.
        counts: episodes, rows, outcomes and so on.
    """

    stores: tuple[str, ...]
    strict: bool = False
    findings: list[Finding] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    phase_r2: dict[str, float] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)

    def of(self, severity: Severity) -> list[Finding]:
        """The findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    @property
    def ok(self) -> bool:
        """Whether the data are sound: no error, and with `strict` no warning either."""
        return not self.of(Severity.ERROR) and not (self.strict and self.of(Severity.WARNING))

    @property
    def exit_status(self) -> int:
        """0 sound, 1 unsound."""
        return 0 if self.ok else 1

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON data."""
        return {
            "ok": self.ok,
            "strict": self.strict,
            "stores": list(self.stores),
            "counts": self.counts,
            "findings": [asdict(finding) for finding in self.findings],
            "leaks": [asdict(leak) for leak in self.leaks],
            "phase_r2": self.phase_r2,
        }

    def to_text(self) -> str:
        """The report for people, a few lines a finding."""
        lines = [
            f"{self.counts.get('episodes', 0)} episodes, {self.counts.get('rows', 0)} steps "
            f"in {len(self.stores)} store(s)"
        ]
        for finding in self.findings:
            lines += [
                f"{finding.severity.upper():7} {finding.code}: {finding.message}",
                f"        at {finding.place}",
                f"        {finding.advice}",
            ]
        if self.leaks:
            lines.append("AUROC of clocks alone (0.5 is chance):")
            lines += [
                f"        {leak.clock:15} {leak.failure_type:10} within {leak.horizon} steps  "
                + (
                    f"too few failed episodes ({leak.episodes})"
                    if leak.auroc is None
                    else f"{leak.auroc:.3f}  ({leak.episodes} failed episodes)"
                )
                for leak in self.leaks
            ]
        total = Counter(finding.severity for finding in self.findings)
        verdict = "sound" if self.ok else "unsound"
        lines.append(
            f"{verdict}: {total[Severity.ERROR]} errors, {total[Severity.WARNING]} warnings, "
            f"{total[Severity.NOTE]} notes"
        )
        return "\n".join(lines) + "\n"


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first, then warnings, then notes; otherwise in the order they were found."""
    order = list(Severity)
    return sorted(findings, key=lambda finding: order.index(finding.severity))
