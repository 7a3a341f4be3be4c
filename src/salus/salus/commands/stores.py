"""`salus info`, `salus merge` and `salus show`: what is in stores, and several into one."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Stores = Annotated[list[Path], typer.Argument(help="Stores, or folders of stores.")]


def info(
    stores: Stores,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Tell what is in stores: episodes, endings, arrays and their size, where they come from.

    Exit status: 0 told, 2 wrong use or stores that cannot be read.
    """
    from rich.console import Console

    from salus_data.info import store_info
    from salus_data.view import StoreView

    facts = store_info(StoreView(stores))
    if as_json:
        typer.echo(json.dumps(facts))
        return
    _print_info(facts, Console())


def _print_info(facts: dict[str, Any], console: Any) -> None:
    from rich.table import Table

    contract = facts["contract"]
    endings = ", ".join(f"{name} {count}" for name, count in sorted(facts["endings"].items()))
    console.print(
        f"{facts['episodes']} episodes ({endings}), {facts['rows']:,} rows of "
        f"{1000 * contract['step_period']:.1f} ms, {facts['seconds'] / 60:.1f} minutes; "
        f"{facts['shortest']} to {facts['longest']} rows an episode",
        highlight=False,
        markup=False,
    )
    console.print(
        f"policy {contract['policy'] or '-'}, action space {contract['action_space']['name']}, "
        f"labels from {facts['label_source'] or '-'}, horizons {list(contract['horizons'])} steps, "
        f"contract {contract['digest']}",
        highlight=False,
        markup=False,
    )
    table = Table("array", "shape", "type", "MB", "MB on disk", "ratio")
    for name, array in facts["arrays"].items():
        raw, stored = array["bytes"] / 1e6, array["bytes_on_disk"] / 1e6
        ratio = f"{raw / stored:.1f}" if stored else "-"
        shape = " x ".join(map(str, array["shape"]))
        table.add_row(name, shape, array["dtype"], f"{raw:.2f}", f"{stored:.2f}", ratio)
    console.print(table)
    for store in facts["stores"]:
        console.print(
            f"{store['path']}: {store['episodes']} episodes, schema version "
            f"{store['schema_version']}; {store['provenance']}",
            highlight=False,
            markup=False,
        )


def merge(
    stores: Stores,
    out: Annotated[Path, typer.Option(help="The new store; must not exist.")],
    renumber: Annotated[
        bool,
        typer.Option(
            "--renumber", help="New indices 0, 1, 2, ...; for collections with other seeds."
        ),
    ] = False,
    drop_images: Annotated[
        bool, typer.Option("--drop-images", help="Leave the images out; training reads none.")
    ] = False,
) -> None:
    """Write the episodes of several stores into one new store, in the order of their index.

    Exit status: 0 done, 2 wrong use or stores that do not belong together.
    """
    from salus.bars import counted
    from salus_data.merge import merge_stores

    with counted("episodes") as progress:
        count = merge_stores(
            stores, out, renumber=renumber, drop_images=drop_images, progress=progress
        )
    typer.echo(f"{out}: {count} episodes")


def show(
    episode: Annotated[str, typer.Argument(help="Its id, such as 0-000012, or its index.")],
    stores: Annotated[list[Path], typer.Argument(help="The stores, or folders, it is in.")],
    out: Annotated[
        Path | None, typer.Option(help="The page to write [default: out/episode-ID.html].")
    ] = None,
    model: Annotated[
        str,
        typer.Option(help="Also show what this model forecasts: a folder, or `shipped`."),
    ] = "",
) -> None:
    """Write a self-contained page of one episode: frames, signals, labels, forecasts.

    Exit status: 0 written, 2 wrong use, no such episode, stores or a model that cannot be read.
    """
    from salus_data.show import write_episode_page
    from salus_data.show.page import find_episode
    from salus_data.view import StoreView

    view = StoreView(stores)
    number = find_episode(view, episode)
    page = out or Path("out") / f"episode-{view.records[number].id}.html"
    forecasts = _forecasts(model, stores, number) if model else None
    typer.echo(f"{write_episode_page(view, number, page, forecasts).resolve()}")


def _forecasts(model: str, stores: list[Path], episode: int) -> Any:
    """What a model says of one episode of the stores."""
    from salus_data.show import ShownForecasts
    from salus_predictor.model.reading import load_predictor
    from salus_predictor.online.load import model_folder
    from salus_predictor.steps import StepData

    predictor = load_predictor(model_folder(model))
    data = StepData.read(stores, embedding=predictor.embedding_size > 0).subset([episode])
    return ShownForecasts(model, predictor.predict(data).probability)
