"""`salus export-demonstrations` and `salus clone`: from demonstrations to a policy."""

import json
from pathlib import Path
from typing import Annotated, Self

import typer


def export_demonstrations(
    stores: Annotated[list[Path], typer.Argument(help="Stores, or folders of stores.")],
    out: Annotated[Path, typer.Option(help="Folder of the LeRobotDataset; must not exist.")],
    cameras: Annotated[
        str, typer.Option(help="Cameras that go along, `front,wrist`; none by default.")
    ] = "",
    state: Annotated[
        str,
        typer.Option(help="`poses` of perceived things too (36 numbers), or `robot` alone (20)."),
    ] = "poses",
    adapter: Annotated[
        Path | None,
        typer.Option(help="Checkpoint folder whose adapter is taken, for state and cameras."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--every", help="All episodes, not only undisturbed successes.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, nothing else.")
    ] = False,
) -> None:
    """Write demonstrations for a policy as a LeRobotDataset (v3) that `lerobot-train` reads.

    Exported are the successes in which no supervisor changed an action; idle rows and the last row
    are left out. `observation.state` is what the adapter says, poses by default.

    Exit status: 0 written, 2 wrong use or stores that cannot be exported.
    """
    from salus_collector.policy.smolvla.adapter import Adapter
    from salus_collector.policy.smolvla.export import export_lerobot as write
    from salus_collector.policy.smolvla.pose_state import STATES
    from salus_data.action_space import DELTA_EE
    from salus_data.errors import UnknownNameError
    from salus_data.view import StoreView

    if state not in STATES:
        raise UnknownNameError("--state", state, STATES)
    own = Adapter(DELTA_EE, STATES[state](), _cameras(cameras))
    chosen = Adapter.read(adapter) if adapter else own
    view = StoreView(stores)
    episodes = list(range(len(view))) if every else None
    with _Bars(quiet=as_json) as bars:
        frames = write(
            view,
            out,
            chosen,
            episodes=episodes,
            on_progress=lambda done, total: bars.show("exporting", done, total),
        )
    result = {"out": str(out.resolve()), "frames": frames}
    typer.echo(json.dumps(result) if as_json else f"{frames} frames: {result['out']}")


def clone(
    stores: Annotated[list[Path], typer.Argument(help="Demonstrations: stores, or folders.")],
    out: Annotated[Path, typer.Option(help="Folder of dataset and ensemble; goes on.")],
    members: Annotated[int, typer.Option(min=1, help="Members of the ensemble.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps of member 0.")] = 3000,
    expert_steps: Annotated[
        int, typer.Option(min=1, help="Gradient steps of each further member.")
    ] = 2000,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows a step.")] = 64,
    lr: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 1e-3,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, data order, bootstraps.")] = 0,
    only_member: Annotated[
        int | None,
        typer.Option(min=0, help="Train this member only, to share the work among processes."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, nothing else.")
    ] = False,
) -> None:
    """Train a small SmolVLA ensemble by behaviour cloning, on one core of the CPU, offline.

    The demonstrations are exported to OUT/dataset; the ensemble in OUT/ensemble is what
    `salus collect --policy` takes. Members that are there already are not trained again.

    Exit status: 0 done, 2 wrong use, 130 interrupted.
    """
    from salus_collector.policy.smolvla.train import TrainingSettings, train_ensemble

    settings = TrainingSettings(
        members=members,
        steps=steps,
        expert_steps=expert_steps,
        batch_size=batch_size,
        learning_rate=lr,
        seed=seed,
    )
    with _Bars(quiet=as_json) as bars:
        folder = train_ensemble(stores, out, settings, only_member=only_member, report=bars.show)
    path = str(folder.resolve())
    typer.echo(json.dumps({"ensemble": path}) if as_json else path)


def _cameras(text: str) -> dict[str, str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    return {f"observation.images.{name}": name for name in names}


class _Bars:
    """One progress bar for each thing that is done, with the loss where there is one."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True, quiet=quiet),
        )
        self._tasks: dict[str, object] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, name: str, done: int, total: int, loss: float = float("nan")) -> None:
        """Draw where `name` is."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total, loss="")
        text = f"loss {loss:.3f}" if loss == loss else ""
        self._progress.update(self._tasks[name], completed=done, loss=text)  # type: ignore[arg-type]
