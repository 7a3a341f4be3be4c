"""Fill the template of the report."""

from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from salus_data import __version__
from salus_data.view import StoreView
from salus_predictor.evaluation.run import Result
from salus_predictor.report.curves import comparison, precision_recall, reliability, roc
from salus_predictor.report.error_plots import error_bars, error_columns
from salus_predictor.report.event_plots import accuracy_over_time, lead_times
from salus_predictor.report.style import colours
from salus_predictor.report.tables import (
    by_type,
    comparison_rows,
    comparison_table,
    confusion_rows,
    headline,
    not_run,
)
from salus_predictor.report.timelines import timelines


def write_report(result: Result, out: Path, *, title: str = "") -> Path:
    """Write the page; one that is there is replaced at once.

    Args:
        result: of an evaluation.
        out: the HTML file.
        title: heading; by default the model's name.
    """
    data, evaluation = result.data, result.evaluation
    dated = bool(data.valid.any()) and len(evaluation.cells.absent) < len(evaluation.cells.types)
    rows = comparison_rows(result, "ap")
    environment = Environment(
        loader=PackageLoader("salus_predictor", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    types = data.contract.failure_types
    errors = result.document["step"].get("errors") if dated else None
    text = environment.get_template("report.html.j2").render(
        title=title or f"Failure predictor {evaluation.name}",
        document=result.document,
        protocol=result.document["protocol"],
        warnings=result.warnings,
        headline=headline(result.document),
        by_type=by_type(result.document),
        horizons=data.contract.horizons,
        types=types,
        colours=colours(("success", *types)),
        period=data.contract.step_period,
        dated=dated,
        comparison=comparison(rows, "average precision") if len(rows) > 1 else "",
        table=comparison_table(result),
        not_run=not_run(result),
        confusion=confusion_rows(result),
        errors=errors,
        error_bars=error_bars(errors, types) if errors else "",
        error_columns=error_columns(errors) if errors else (),
        precision_recall=precision_recall(data, evaluation) if dated else "",
        roc=roc(data, evaluation) if dated else "",
        reliability=reliability(data, evaluation) if dated else "",
        lead_times=lead_times(data, evaluation),
        over_time=accuracy_over_time(data, evaluation),
        timelines=timelines(data, evaluation, StoreView(data.sources) if data.sources else None),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(out.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(out)
    return out
