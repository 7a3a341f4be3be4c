"""`salus calibrate`: new thresholds for the user's own policy and robot."""

import json
from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    model: Annotated[
        Path, typer.Argument(help="Folder of the model; only its calibration changes.")
    ],
    stores: Annotated[
        list[Path], typer.Argument(help="Stores that the model was not trained on, read together.")
    ],
    far: Annotated[
        float, typer.Option(help="False alarms per successful episode that alarms are set to.")
    ] = 0.1,
    out: Annotated[
        Path | None, typer.Option(help="Write the calibrated model there [default: in place].")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say whether the present thresholds still hold.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, nothing else.")
    ] = False,
) -> None:
    """Set alarm thresholds from successful episodes, and scale probabilities where failures allow.

    Probabilities are scaled only where every failure type has failed episodes; thresholds need
    successes alone. Exit status: 0 done, 1 with --dry-run where the present guarantee is void,
    2 wrong use.
    """
    from rich.console import Console

    from salus_predictor.calibration.recalibrate import recalibrate
    from salus_predictor.model.writing import save_model

    console = Console(stderr=as_json)
    with console.status("calibrating"):
        result = recalibrate(model, stores, far)
    new = result.model.calibration
    alarm = {
        name: _finite(value)
        for name, value in zip(
            result.model.predictor.contract.failure_types, new.alarm(), strict=True
        )
    }
    if not dry_run:
        save_model(result.model, out or model)
    told = {
        "model": str(out or model),
        "before": {
            "holds": result.verdict.holds,
            "p_value": result.verdict.p_value,
            "message": result.verdict.message,
        },
        "successes": len(new.scores),
        "episodes": new.episodes,
        "far": far,
        "alarm": alarm,
        "scaled": result.scaled,
        "written": not dry_run,
    }
    if as_json:
        typer.echo(json.dumps(told))
    else:
        console.print(f"before: {result.verdict.message}", highlight=False, markup=False)
        thresholds = ", ".join(
            f"{k} {'infinite' if v is None else f'{v:.3g}'}" for k, v in alarm.items()
        )
        console.print(
            f"{len(new.scores)} successful of {new.episodes} episodes; alarm thresholds at "
            f"{far:g} false alarms a success: {thresholds}",
            highlight=False,
            markup=False,
        )
        for line in result.notes:
            console.print(line, highlight=False, markup=False)
    raise typer.Exit(1 if dry_run and result.verdict.holds is False else 0)


def _finite(value: float) -> float | None:
    return float(value) if value < float("inf") else None
