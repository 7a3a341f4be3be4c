"""The page of a study."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from salus.closed_loop.figures import ENDS, Pairs
from salus.closed_loop.plots import END_COLOURS, NAMES, effects, impulses, outcomes
from salus.closed_loop.rows import ARMS, RANDOM, SUPERVISED
from salus_data import __version__
from salus_data.types import FAILURE_TYPES


def write_page(pairs: Pairs, document: dict[str, Any], out: Path, title: str) -> Path:
    """Write the page; one that is there is replaced at once."""
    environment = Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("salus", "closed_loop"),
                PackageLoader("salus_predictor", "report"),
            ]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("closed_loop.html.j2").render(
        title=title,
        document=document,
        protocol=document["protocol"],
        arms=ARMS,
        names=NAMES,
        ends=ENDS,
        types=FAILURE_TYPES,
        colours=END_COLOURS,
        supervised=document[SUPERVISED],
        random=document[RANDOM],
        outcomes=outcomes(document),
        effects=effects(document),
        impulses=impulses(pairs),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
    )
    partial = out.with_name(out.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(out)
    return out
