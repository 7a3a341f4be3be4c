"""Studies beside each other: the same models, trained on other data, on the same test episodes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from salus_data.errors import FormatError
from salus_predictor.studies.simulation.markdown import Json, interval, table
from salus_predictor.studies.simulation.runs import PAIRED, drawn_interval

SAME: Final = ("episodes", "steps", "endings", "seeds", "positive_cells")
"""What two sets of test episodes must have in common to be taken for the same."""

MEAN: Final = "mean of the seeds"


def compare_studies(folders: Sequence[Path]) -> dict[str, Any]:
    """Headline figures of the models that every study has, less those of the first study.

    Args:
        folders: of `salus study predictor`, two or more; the first is compared with.

    Returns:
        `models`: by name of the model (and MEAN, where there are several seeds) and by folder, its
        headline figures with 95 % intervals; but for the first folder `differences` with paired
        ones. `studies`: what was trained and tested on.

    Raises:
        FormatError: a folder holds no study, the test episodes or the replicates are not the same,
            or no model is in all of them.
    """
    if len(folders) < 2:
        raise FormatError("one study has nothing beside it; give two or more folders")
    studies = {str(folder): _read(folder) for folder in folders}
    first = str(folders[0])
    for name, study in studies.items():
        _require_same_test(first, studies[first], name, study)
    figures = {name: _figures(study) for name, study in studies.items()}
    common = [key for key in figures[first] if all(key in own for own in figures.values())]
    if not common:
        raise FormatError(
            f"no model is in all of {', '.join(studies)}; {first} has "
            f"{', '.join(figures[first]) or 'none'}"
        )
    return {
        "models": {
            model: {
                name: _row(own[model], figures[first][model] if name != first else None)
                for name, own in figures.items()
            }
            for model in common
        },
        "studies": {
            name: {part: study["protocol"][part] for part in ("train", "test", "main")}
            for name, study in studies.items()
        },
    }


def comparison_markdown(document: Json) -> str:
    """One table: a row for each model of each study."""
    rows = [
        [
            model,
            name,
            *(interval(row, metric, 3) for metric in ("f1", "ap")),
            *(
                interval(row["differences"], metric, 3) if row["differences"] else "-"
                for metric in ("f1", "ap")
            ),
        ]
        for model, by_study in document["models"].items()
        for name, row in by_study.items()
    ]
    heads = ["model", "study", "F1", "AP", "F1, difference to the first", "AP, difference"]
    return table(heads, rows)


def _read(folder: Path) -> dict[str, Any]:
    path = folder / "study.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found["jobs"], found["protocol"]["test"], found["protocol"]["replicates"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path}: no result of `salus study predictor`: {error}") from error
    return found


def _require_same_test(first: str, reference: Json, name: str, study: Json) -> None:
    sides = (reference["protocol"], study["protocol"])
    one, other = ({k: side["test"].get(k) for k in SAME} for side in sides)
    if differing := [key for key in SAME if one[key] != other[key]]:
        key = differing[0]
        raise FormatError(
            f"{first} and {name} were scored on other episodes: {key} is {one[key]} and "
            f"{other[key]}"
        )
    if sides[0]["replicates"] != sides[1]["replicates"]:
        raise FormatError(
            f"--replicates was {sides[0]['replicates']} in {first} and {sides[1]['replicates']} in "
            f"{name}; paired intervals need the same"
        )


def _figures(study: Json) -> dict[str, dict[str, Any]]:
    """Value and replicates of every model's headline figures, and of the mean over the seeds."""
    runs = {n: job for n, job in study["jobs"].items() if "refused" not in job}
    found = {name: _headline([job]) for name, job in runs.items()}
    seeds = [job for job in runs.values() if job["section"] == "seeds"]
    return found | {MEAN: _headline(seeds)} if len(seeds) > 1 else found


def _headline(jobs: Sequence[Json]) -> dict[str, Any]:
    """The mean over jobs of each figure, and of each of its replicates."""
    heads = [job["sets"]["all"]["headline"] for job in jobs]
    found: dict[str, Any] = {}
    for metric in PAIRED:
        values = np.array([head[metric] for head in heads], float)
        drawn = [head[f"{metric}_drawn"] for head in heads]
        found[metric] = float(values.mean())
        found[f"{metric}_drawn"] = np.array(drawn, float).mean(axis=0)
    return found


def _row(own: Mapping[str, Any], reference: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        **_with_interval({metric: own[metric] for metric in PAIRED}, own),
        "differences": reference
        and _with_interval(
            {metric: own[metric] - reference[metric] for metric in PAIRED},
            {f"{m}_drawn": own[f"{m}_drawn"] - reference[f"{m}_drawn"] for m in PAIRED},
        ),
    }


def _with_interval(values: Mapping[str, float], drawn: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for metric, value in values.items():
        found[metric] = value if np.isfinite(value) else None
        found[f"{metric}_ci"] = drawn_interval(drawn[f"{metric}_drawn"])
    return found
