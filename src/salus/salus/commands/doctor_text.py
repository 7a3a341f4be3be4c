"""A doctor's report as a readable table."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from salus_data.doctor import Report, Severity

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def print_report(report: Report, console: Console) -> None:
    """Print counts, every finding with what to do, and how well clocks alone predict the labels."""
    counts = ", ".join(f"{name} {value}" for name, value in report.counts.items())
    console.print(f"{len(report.stores)} store(s): {counts}", highlight=False, markup=False)
    if report.findings:
        table = Table("", "where", "what", "do", show_lines=True)
        for finding in report.findings:
            severity = finding.severity
            table.add_row(
                f"[{STYLES[severity]}]{severity.value}[/]\n{finding.code}",
                escape(finding.place),  # a path or a column may hold brackets
                escape(finding.message),
                escape(finding.advice),
            )
        console.print(table)
    if any(leak.auroc is not None for leak in report.leaks):
        console.print(_leaks(report))
    errors, warnings = report.of(Severity.ERROR), report.of(Severity.WARNING)
    verdict = "[green]sound[/]" if report.ok else "[bold red]unsound[/]"
    console.print(f"{verdict}: {len(errors)} error(s), {len(warnings)} warning(s)")


def _leaks(report: Report) -> Table:
    measured = [leak for leak in report.leaks if leak.auroc is not None]
    clocks = list(dict.fromkeys(leak.clock for leak in measured))
    table = Table("type", "horizon [steps]", *clocks, title="AUROC of a clock alone (0.5: no leak)")
    rows = list(dict.fromkeys((leak.failure_type, leak.horizon) for leak in measured))
    for kind, horizon in rows:
        values = {
            leak.clock: leak.auroc
            for leak in measured
            if (leak.failure_type, leak.horizon) == (kind, horizon)
        }
        cells = [f"{values[c]:.2f}" if values.get(c) is not None else "-" for c in clocks]
        table.add_row(kind, str(horizon), *cells)
    return table
