"""A benchmark as one table."""

from rich.console import Console
from rich.table import Table

from salus_predictor.evaluation.benchmark import Benchmark, Split
from salus_predictor.evaluation.evaluate import Evaluation
from salus_predictor.evaluation.protocol import headline_macro


def print_benchmark(result: Benchmark, split: Split, console: Console) -> None:
    """Print one row a predictor, the best first, and what was not run."""
    counts = ", ".join(
        f"{name} {len(part)}"
        for name, part in (
            ("train", split.train),
            ("validation", split.validation),
            ("test", split.test),
        )
    )
    console.print(f"episodes: {counts}; 95 % intervals by episode bootstrap", highlight=False)
    table = Table("predictor", *(c for c in HEADINGS), box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
        column.no_wrap = True
    ranked = sorted(
        result.evaluations.values(),
        key=lambda e: -(headline_macro(e.tree)["ap"].value or 0.0),
    )
    for evaluation in ranked:
        table.add_row(evaluation.name, *_cells(evaluation))
    console.print(table)
    for name, reason in result.not_run.items():
        console.print(f"not run: {name} {reason}", style="dim", highlight=False)


HEADINGS = (
    "F1",
    "interval",
    "precision",
    "recall",
    "AP",
    "AUROC",
    "Brier skill",
    "ECE",
    "detected",
    "lead [steps]",
    "false/success",
    "AUC prefix",
)


def _cells(evaluation: Evaluation) -> list[str]:
    macro, tree = headline_macro(evaluation.tree), evaluation.tree
    interval = macro["f1"].interval
    found = tree["event"]["all"]
    return [
        macro["f1"].text,
        "-" if interval is None else f"{interval[0]:.3f}-{interval[1]:.3f}",
        *(macro[m].text for m in ("precision", "recall", "ap", "auroc", "brier_skill", "ece")),
        found["recall"].text,
        found["lead_median_steps"].text,
        tree["event"]["false_alarms_per_success"].text,
        tree["episode"]["auc_prefix_100"].text,
    ]
