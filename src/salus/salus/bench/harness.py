"""What every benchmark shares: rows with a named alternative, a table, JSON, the exit status.

A new benchmark is a file here with a function that returns a `Benchmark`, and a line in
`salus/commands/bench.py`.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import typer
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One figure beside the alternative that was measured in the same run.

    Attributes:
        what: what was measured.
        value: the figure.
        unit: of both figures.
        against: the alternative, by name; empty where the figure stands alone.
        reference: the alternative's figure.
        at_most: the ratio value/reference, or the value where it stands alone, must not exceed it.
        at_least: likewise from below.
    """

    what: str
    value: float
    unit: str
    against: str = ""
    reference: float | None = None
    at_most: float | None = None
    at_least: float | None = None

    @property
    def ratio(self) -> float | None:
        """The figure over the alternative's."""
        return self.value / self.reference if self.reference else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        if self.at_most is None and self.at_least is None:
            return None
        judged = self.value if self.ratio is None else self.ratio
        below = self.at_most is None or judged <= self.at_most
        return below and (self.at_least is None or judged >= self.at_least)

    @property
    def target(self) -> str:
        """The target in words; empty without one."""
        bounds = (("at most", self.at_most), ("at least", self.at_least))
        return ", ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)

    def to_json(self) -> dict[str, Any]:
        """The row as plain data."""
        return {
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "against": self.against or None,
            "reference": self.reference,
            "ratio": self.ratio,
            "target": self.target or None,
            "met": self.met,
        }


@dataclass(frozen=True)
class Benchmark:
    """The result of one benchmark.

    Attributes:
        name: as in `salus bench NAME`.
        rows: what was measured.
        facts: how much was run, for the record.
    """

    name: str
    rows: tuple[Row, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_status(self) -> int:
        """0, or 1 where a target was missed."""
        return int(any(row.met is False for row in self.rows))


def alternate[T](loops: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Run every loop once a round, in turn, so that a busy machine burdens all of them alike."""
    results: dict[str, list[T]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            results[name].append(loop())
    return results


def timed(function: Callable[[], object]) -> float:
    """Wall time of one call [s]."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


class Spent(NamedTuple):
    """What one call took: wall time and processor time of all threads of this process [s]."""

    wall: float
    cpu: float


def spent(function: Callable[[], object]) -> Spent:
    """Both times of one call. On a busy machine the second scatters less."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


def run(name: str, measure: Callable[[], Benchmark], *, as_json: bool) -> None:
    """Measure, print, and end the command with its exit status."""
    console = Console(stderr=as_json)
    with console.status(f"measuring {name}"):
        result = measure()
    if as_json:
        facts = dict(result.facts) | machine()
        rows = [row.to_json() for row in result.rows]
        typer.echo(json.dumps({"benchmark": result.name, "rows": rows, "facts": facts}))
    else:
        _print(result, console)
    raise typer.Exit(result.exit_status)


def machine() -> dict[str, Any]:
    """What the figures depend on: cores, and how busy they were (mean over the last minute)."""
    return {"cores": os.cpu_count(), "load_1min": round(os.getloadavg()[0], 2)}


def _print(result: Benchmark, console: Console) -> None:
    table = Table("what", "figure", "against", "figure", "ratio", "target", "")
    for row in result.rows:
        verdict = {True: "[green]met[/]", False: "[bold red]missed[/]", None: ""}[row.met]
        reference = "" if row.reference is None else f"{row.reference:.4g} {row.unit}"
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
        table.add_row(
            row.what,
            f"{row.value:.4g} {row.unit}",
            row.against,
            reference,
            ratio,
            row.target,
            verdict,
        )
    console.print(table)
    facts = dict(result.facts) | machine()
    console.print(", ".join(f"{key} {value}" for key, value in facts.items()), highlight=False)
