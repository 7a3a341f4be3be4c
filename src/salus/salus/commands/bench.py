"""`salus bench`: speeds as ratios against a named alternative, measured in the same run."""

import typer

app = typer.Typer(help="Measure, beside a named alternative in the same run.", no_args_is_help=True)
