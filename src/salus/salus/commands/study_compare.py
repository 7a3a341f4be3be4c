"""`salus study compare`: the same models of several studies, with paired differences."""

import json
from pathlib import Path
from typing import Annotated

import typer


def compare(
    studies: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of `salus study predictor --out`; the first is compared with."
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every figure as JSON, no table.")
    ] = False,
) -> None:
    """Set studies on the same test episodes, trained on other data, beside each other.

    Such as the sizes of an ensemble, made by `salus resample`. Intervals hold 95 %; those of
    differences are paired, replicate by replicate.

    Exit status: 0 told, 2 wrong use, or studies that cannot be compared.
    """
    from salus_predictor.studies.simulation.beside import compare_studies, comparison_markdown

    document = compare_studies(studies)
    typer.echo(json.dumps(document) if as_json else comparison_markdown(document))
