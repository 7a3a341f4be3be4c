"""The `salus` command: one file a sub-command below `salus.commands`."""

import sys

import typer

from salus import __version__
from salus.commands import (
    bench,
    benchmark,
    calibrate,
    clone,
    collect,
    doctor,
    evaluate,
    import_bag,
    import_rollouts,
    lerobot,
    monitor,
    relabel,
    replay,
    resample,
    signals,
    stores,
    study,
    study_compare,
    study_foreseeable,
    study_predictor,
    summary,
    train,
)
from salus_data.errors import SalusError

app = typer.Typer(
    name="salus",
    help="Collect labelled robot episodes, check them, learn from them, act on what is learnt.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # rich's own markup would take units such as [px] for styles
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("collect")(collect.collect)
app.command("export-demonstrations")(clone.export_demonstrations)
app.command("export-lerobot")(lerobot.export_lerobot)
app.command("import-lerobot")(lerobot.import_lerobot)
app.command("clone")(clone.clone)
app.command("monitor")(monitor.monitor)
app.command("replay")(replay.replay)
app.command("doctor")(doctor.doctor)
app.command("relabel")(relabel.relabel)
app.command("resample")(resample.resample)
app.command("migrate")(relabel.migrate)
app.command("signals")(signals.signals)
app.command("summary")(summary.summary)
app.command("train")(train.train)
app.command("calibrate")(calibrate.calibrate)
app.command("evaluate")(evaluate.evaluate)
app.command("benchmark")(benchmark.benchmark)
app.command("import-bag")(import_bag.import_bag)
app.command("import-rollouts")(import_rollouts.import_rollouts)
app.command("info")(stores.info)
app.command("merge")(stores.merge)
app.command("show")(stores.show)
study.app.command("foreseeable")(study_foreseeable.foreseeable)
study.app.command("predictor")(study_predictor.predictor)
study.app.command("compare")(study_compare.compare)
app.add_typer(bench.app, name="bench")
app.add_typer(study.app, name="study")


@app.callback(invoke_without_command=True)
def version(
    show: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    """Collect labelled robot episodes, check them, learn from them, act on what is learnt."""
    if show:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command; an error that a user can act on is one line and exit status 2.

    What the system refuses (a folder without permission, a full disk) is such an error, too.
    """
    try:
        app()
    except (SalusError, OSError) as error:
        typer.echo(f"salus: {error}", err=True)
        sys.exit(2)
