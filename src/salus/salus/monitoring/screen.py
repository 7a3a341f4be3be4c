"""The picture as a terminal shows it."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from salus.monitoring.heard import LEVELS, MODES, STATES, Heard

BAR = 16  # characters of a full bar
STYLES = {0: "dim", 1: "green", 2: "yellow", 3: "bold red"}
STATE_STYLES = {1: "green", 2: "yellow", 3: "bold yellow", 4: "bold magenta", 5: "bold red"}


def screen(heard: Heard) -> RenderableType:
    """Risk per type, level, the supervisor's state, rates and what the nodes say."""
    return Group(_banner(heard), _risks(heard), _foot(heard))


def bar(probability: float) -> str:
    """A probability as a bar; a dash where it is not known."""
    if probability != probability:
        return "-".ljust(BAR)
    full = round(min(1.0, max(0.0, probability)) * BAR)
    return "█" * full + "·" * (BAR - full)


def _banner(heard: Heard) -> Panel:
    state = STATES.get(heard.state, "unknown")
    text = Text(state, style=STATE_STYLES.get(heard.state, "dim"))
    text.append(f"  {MODES.get(heard.mode, 'unknown')}", style="dim")
    if heard.would_be not in (heard.state, 0):
        text.append(f"  would be {STATES.get(heard.would_be, 'unknown')}", style="yellow")
    if heard.reason:
        text.append(f"\n{heard.reason}")
    if heard.stale:
        text.append(f"\nno forecast: {heard.stale}", style="red")
    title = f"episode {heard.episode or '-'}  step {heard.step}"
    return Panel(text, title=title, subtitle=f"{heard.interventions} steps changed")


def _risks(heard: Heard) -> Table:
    table = Table(expand=True)
    table.add_column("failure")
    for horizon in heard.horizons:
        table.add_column(f"within {horizon:.2f} s")
    table.add_column("warning")
    for c, kind in enumerate(heard.failure_types):
        cells = []
        for row, levels in zip(heard.probability, heard.levels, strict=True):
            shown = f"{bar(row[c])} {row[c]:.2f}" if row[c] == row[c] else bar(row[c])
            cells.append(Text(shown, style=STYLES.get(levels[c], "dim")))
        table.add_row(kind, *cells, heard.warnings.get(c, ""))
    if not heard.failure_types:
        table.add_row("no forecast has been heard; does predictor_node run?", "")
    return table


def _foot(heard: Heard) -> Text:
    rates = "  ".join(f"{name} {rate:.0f}/s" for name, rate in heard.rates.per_second().items())
    lines = [rates]
    if heard.outcomes:
        lines.append("ended: " + ", ".join(f"{k} {v}" for k, v in sorted(heard.outcomes.items())))
    model = heard.model_id or "none"
    lines.append(f"model {model}  calibration {heard.calibration_id or 'none for this policy'}")
    text = Text("\n".join(lines), style="dim")
    for node, (level, message) in sorted(heard.diagnostics.items()):
        text.append(f"\n{node}: {message}", style="red" if level >= 2 else STYLES[1 + level])
    return text


def level_name(levels: tuple[tuple[int, ...], ...]) -> str:
    """The highest level by name."""
    return LEVELS[max((level for row in levels for level in row), default=0)]
