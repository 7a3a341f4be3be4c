"""Fill the template of the summary page."""

import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from salus_data import __version__
from salus_data.doctor import Report, examine
from salus_data.doctor.leaks import CLOCKS
from salus_data.summary.pictures import bars, cameras
from salus_data.summary.statistics import (
    chosen_episodes,
    disturbance_families,
    endings,
    label_rows,
    onset_steps,
    outcome_shares,
)
from salus_data.summary.stories import story
from salus_data.view import StoreView

Stores = StoreView | Path | str | Iterable[Path | str]


def write_summary(
    view_or_paths: Stores,
    out_html: Path,
    *,
    title: str = "SALUS collection",
    commands: Sequence[str] = (),
    report: Report | None = None,
) -> Path:
    """Write the summary page of one or more stores that are read together.

    Args:
        view_or_paths: the stores, or folders with stores in them.
        out_html: the page; its folder is made, a page that is there is replaced at once.
        title: heading of the page.
        commands: the command lines that made the data and the page, shown on it.
        report: what the doctor said about these stores; None examines them now.

    Returns:
        `out_html`.

    Raises:
        FormatError: a store cannot be read, or there is none.
        ContractMismatchError: the stores mean different things.
    """
    view = view_or_paths if isinstance(view_or_paths, StoreView) else StoreView(view_or_paths)
    if report is None:
        report = examine(view.paths)
    environment = Environment(
        loader=PackageLoader("salus_data", "summary"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("summary.html.j2").render(
        title=title,
        commands=list(commands),
        doctor_command="salus doctor " + " ".join(shlex.quote(str(path)) for path in view.paths),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
        view=view,
        contract=view.contract,
        cameras=cameras(view),
        endings=endings(view.contract),
        shares=outcome_shares(view),
        families=disturbance_families(view),
        labels=label_rows(view),
        onsets=onset_steps(view),
        stories=[story(view, i) for i in chosen_episodes(view)],
        bars=bars(view),
        longest=max((view.length(i) for i in range(len(view))), default=1),
        report=report,
        clocks={name: (limit, words) for name, (limit, words) in CLOCKS.items()},
        stores=[_provenance(store.attributes, store.path, len(store)) for store in view.stores],
        seeds=_span([record.seed for record in view.records]),
        indices=_span([record.index for record in view.records]),
        policies=sorted({record.policy for record in view.records}),
        abrupt=sum(record.abrupt for record in view.records),
    )
    out_html.parent.mkdir(parents=True, exist_ok=True)
    partial = out_html.with_name(out_html.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(out_html)
    return out_html


def _provenance(attributes: Any, path: Path, episodes: int) -> dict[str, Any]:
    return {
        "path": str(path),
        "episodes": episodes,
        "schema_version": attributes.get("schema_version"),
        "versions": attributes.get("versions", {}),
        "provenance": attributes.get("provenance", {}),
    }


def _span(numbers: list[int]) -> str:
    """`3 to 12 (8 different)`."""
    if not numbers:
        return "none"
    return f"{min(numbers)} to {max(numbers)} ({len(set(numbers))} different)"
