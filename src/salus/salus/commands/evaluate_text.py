"""An evaluation in the terminal: one row for each failure type, then the whole."""

from typing import Any

from rich.console import Console
from rich.table import Table

from salus_predictor.evaluation.figure import Figure
from salus_predictor.evaluation.protocol import headline_macro, later_key
from salus_predictor.evaluation.run import Result

METRICS = ("f1", "precision", "recall", "ap", "brier_skill", "ece")
HEADINGS = ("F1", "P", "R", "AP", "Brier", "ECE", "detected", "lead")
"""What fits into 80 columns; the page and metrics.json have more."""


def print_evaluation(result: Result, console: Console) -> None:
    """Print the main figures with their intervals below."""
    tree = result.evaluation.tree
    step, event = tree["step"], tree["event"]
    key = later_key(step)
    by_type = step.get(key.replace("macro", "by_type"), step["by_type"])
    table = Table("", *HEADINGS, box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
        column.no_wrap = True
    for name, figures in by_type.items():
        found = event["by_type"][name]
        table.add_row(name, *(figures[m].text for m in METRICS), *_detected(found))
    macro = headline_macro(tree)
    table.add_row("mean", *(macro[m].text for m in METRICS), *_detected(event["all"]), style="bold")
    low_high = [_interval(macro[m]) for m in METRICS]
    table.add_row("95 %", *low_high, _interval(event["all"]["recall"]), "", style="dim")
    suffix = ", ".join(key.split("_")[1:])
    console.print(f"step level: mean over horizons {suffix or 'of the contract'} (steps)")
    console.print(table)
    episode = tree["episode"]
    console.print(
        f"false alarms: {event['false_alarms_per_success'].text} a successful episode, "
        f"{event['false_alarms_per_hour'].text} an hour; successes with an alarm "
        f"{episode['far_realised'].text}, promised {episode['far_nominal'].text}; AUC on the "
        f"shortest prefix {episode['auc_prefix_100'].text}",
        highlight=False,
    )
    console.print(one_line(result), highlight=False, soft_wrap=True)


def one_line(result: Result) -> str:
    """What came out, and of whatever stands beside it, best first: macro F1, the mean as above."""
    tree = result.evaluation.tree
    f1 = headline_macro(tree)["f1"]
    mine = f"macro F1 {f1.text} ({_interval(f1)}) on {len(result.data)} episodes"
    key = later_key(tree["step"])
    others = {
        name: _macro_f1(found, key)
        for name, found in result.document["baselines"].items()
        if "not_run" not in found
    }
    known = sorted(((v, name) for name, v in others.items() if v is not None), reverse=True)
    return "; beside it ".join(
        [mine, ", ".join(f"{n} {v:.2f}" for v, n in known)][: 1 + bool(known)]
    )


def _macro_f1(found: dict[str, Any], key: str) -> float | None:
    step = found["step"]
    value: float | None = step.get(key, step["macro"])["f1"]
    return value


def _detected(found: dict[str, Figure]) -> tuple[str, str]:
    return found["recall"].text, found["lead_median_steps"].text


def _interval(figure: Figure) -> str:
    if figure.interval is None:
        return "-"
    low, high = figure.interval
    return f"{low:.2f}-{high:.2f}".replace("0.", ".")
