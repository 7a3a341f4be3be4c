"""What the tables of the study are made of."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column is text."""
    lines = [f"| {' | '.join(heads)} |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def number(value: float | None, digits: int = 2) -> str:
    """The value, `-` where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def interval(tree: Json, metric: str, digits: int = 2) -> str:
    """A figure with its interval."""
    bounds = tree.get(f"{metric}_ci")
    text = number(tree[metric], digits)
    return text if bounds is None else f"{text} ({number(bounds[0])} to {number(bounds[1])})"


def results(document: Json) -> list[tuple[str, Json]]:
    """Name and run of every model whose figures are the result, one for each seed."""
    return [
        (name, job)
        for name, job in document["jobs"].items()
        if job["section"] == "seeds" and "refused" not in job
    ]
