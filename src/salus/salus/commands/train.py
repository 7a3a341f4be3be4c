"""`salus train`: from stores or bags to a calibrated model."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


def train(
    out: Annotated[
        Path, typer.Option(help="Folder of the model; an interrupted training there goes on.")
    ],
    stores: Annotated[
        list[Path] | None,
        typer.Argument(help="Stores, or folders of stores, that are read together."),
    ] = None,
    bag: Annotated[
        list[Path] | None,
        typer.Option(
            help="Bags of SALUS, imported beside the model as by `salus import-bag`; repeatable."
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each network, at most.")] = 50,
    batch_size: Annotated[
        int,
        typer.Option(min=1, help="Whole episodes that together make so many windows of 10 steps."),
    ] = 256,
    lr: Annotated[float, typer.Option(help="Highest learning rate of the schedule.")] = 0.001,
    seed: Annotated[int, typer.Option(min=0, help="Of everything drawn.")] = 0,
    inputs: Annotated[
        str,
        typer.Option(
            help="`core`, `portable`, `perceived`, or signals with commas; `embedding` beside them "
            "adds the policy's hidden state."
        ),
    ] = "portable",
    kind: Annotated[str, typer.Option(help="`network`, `trees`, or the `average` of both.")] = (
        "average"
    ),
    networks: Annotated[int, typer.Option(min=1, help="Networks that are averaged.")] = 1,
    width: Annotated[
        int, typer.Option(min=1, help="Of a network's layers; a wider one wants more episodes.")
    ] = 64,
    validation: Annotated[
        float, typer.Option(help="Share of the seeds that stops, chooses and calibrates.")
    ] = 0.2,
    test: Annotated[
        list[Path] | None,
        typer.Option(help="Stores kept for testing: refuses to train on their seeds."),
    ] = None,
    far: Annotated[
        float, typer.Option(help="False alarms per successful episode that alarms are set to.")
    ] = 0.1,
    min_positive_ratio: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Least share of valid steps with a positive label."),
    ] = 0.01,
    with_time: Annotated[
        bool, typer.Option("--with-time", help="Elapsed time is an input, too.")
    ] = False,
    allow_leak: Annotated[
        bool, typer.Option("--allow-leak", help="Train despite a leak; it is noted in the model.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Train despite refusals; they are noted in the model.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, nothing else.")
    ] = False,
) -> None:
    """Train a failure predictor and calibrate it on validation episodes.

    Exit status: 0 done, 1 refused with every reason named, 2 wrong use, 130 interrupted: the same
    command goes on.
    """
    from rich.console import Console

    from salus.training.bags import import_for_training
    from salus.training.screen import TrainingScreen
    from salus_data.errors import FormatError
    from salus_predictor.training.options import TrainOptions
    from salus_predictor.training.refusals import RefusedError
    from salus_predictor.training.run import TrainRun, train_model

    console = Console(stderr=as_json)
    read = list(stores or ())
    if bag:
        read.append(import_for_training(bag, out, console))
    if not read:
        raise FormatError("nothing to train on: give stores, or bags with --bag")
    run = TrainRun(
        stores=read,
        out=out,
        options=TrainOptions(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=lr,
            seed=seed,
            inputs=inputs,
            kind=kind,
            networks=networks,
            width=width,
            with_time=with_time,
        ),
        validation=validation,
        test=test or (),
        min_positive_ratio=min_positive_ratio,
        alpha=far,
        allow_leak=allow_leak,
        force=force,
        command=shlex.join(["salus", *sys.argv[1:]]),
    )
    with TrainingScreen(console, out) as screen:
        try:
            model = train_model(run, screen)
        except RefusedError as error:
            screen.stop()
            for reason in error.reasons:
                typer.echo(f"salus: training refused: {reason}", err=True)
            typer.echo(f"salus: {error.way_out}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            screen.stop()
            typer.echo("salus: interrupted; the same command goes on", err=True)
            raise typer.Exit(130) from None
    told = {
        "out": str(out),
        "model_id": model.model_id,
        "calibration_id": model.calibration_id,
        "kind": model.kind,
        "inputs": list(model.predictor.inputs),
        "train_episodes": model.provenance.train_episodes,
        "validation_episodes": model.provenance.validation_episodes,
        "validation": model.provenance.validation,
        "leaks_allowed": model.provenance.leaks_allowed,
        "forced": model.provenance.forced,
    }
    if as_json:
        typer.echo(json.dumps(told))
        return
    figures = ", ".join(f"{k} {v:.3f}" for k, v in model.provenance.validation.items() if v)
    console.print(
        f"{out}: {model.kind} on {len(model.predictor.inputs)} signals, "
        f"{model.provenance.train_episodes} training and {model.provenance.validation_episodes} "
        f"validation episodes; on validation {figures or 'only outcomes are known'}",
        highlight=False,
        markup=False,
    )
    for word, lines in (("leak allowed", told["leaks_allowed"]), ("forced", told["forced"])):
        for line in lines if isinstance(lines, list) else ():
            console.print(f"{word}: {line}", markup=False, highlight=False)
