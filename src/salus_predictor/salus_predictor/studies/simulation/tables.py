"""The document of the study as markdown, one table for each question."""

from typing import Any

from salus_predictor.studies.simulation.comparisons import baselines, families, models, rates
from salus_predictor.studies.simulation.markdown import Json, interval, number, results, table
from salus_predictor.studies.simulation.targets import later, mean


def markdown(document: Json) -> str:
    """All tables; what was not run has none."""
    parts = [
        _protocol(document),
        _targets(document),
        _seeds(document),
        _types(document),
        _events(document),
        _causes(document),
        models(document),
        families(document),
        rates(document),
        baselines(document),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _protocol(document: Json) -> str:
    told = document["protocol"]
    lines = []
    for name in ("train", "test"):
        endings = ", ".join(f"{count} {kind}" for kind, count in told[name]["endings"].items())
        lines.append(
            f"{name.capitalize()}: {told[name]['episodes']} episodes, {told[name]['steps']:,} "
            f"steps: {endings}."
        )
    lines.append(
        f"Result: `{told['main']['kind']}` on `{told['main']['inputs']}` inputs, seeds "
        f"{', '.join(map(str, told['seeds']))}. Every other model: `{told['kind_of_the_others']}`, "
        f"seed {told['seeds'][0]}. Step figures: mean over types and the horizons of 10, 15 and 20 "
        f"steps where the contract has them; 95 % intervals by bootstrap over episodes "
        f"({told['replicates']} replicates)."
    )
    return "\n".join(lines)


def _targets(document: Json) -> str:
    rows = []
    for row in document.get("targets", []):
        bound = f">= {row['least']:g}" if row["least"] is not None else f"<= {row['most']:g}"
        verdict = {True: "met", False: "missed", None: "not known"}[row["met"]]
        rows.append([row["what"], bound, number(row["value"], 3), verdict])
    if not rows:
        return ""
    return "### Aims\n\n" + table(["", "aim", "found", ""], rows)


METRICS = ("f1", "precision", "recall", "ap", "auroc", "brier_skill", "ece")
HEADS = ("F1", "precision", "recall", "AP", "AUROC", "Brier skill", "ECE")


def _seeds(document: Json) -> str:
    main = results(document)
    if not main:
        return ""
    rows = []
    for name, job in main:
        head = job["sets"]["all"]["headline"]
        rows.append(
            [name, *(interval(head, m) for m in METRICS[:4]),
             *(number(head[m], 3) for m in METRICS[4:])]
        )  # fmt: skip
    heads = [job["sets"]["all"]["headline"] for _, job in main]
    rows.append(["mean", *(number(mean(h[m] for h in heads), 3) for m in METRICS)])
    return "### Seeds\n\n" + table(["", *HEADS], rows)


def _types(document: Json) -> str:
    steps = [job["sets"]["all"]["tree"]["step"] for _, job in results(document)]
    if not steps:
        return ""
    rows = []
    key = later(steps[0], "by_type")
    shown = ("f1", "precision", "recall", "ap", "prevalence")
    shortest = min(steps[0]["by_horizon"], key=int)
    for kind in steps[0][key]:
        figures = [number(mean(step[key][kind][m] for step in steps)) for m in shown]
        near = [mean(step["cells"][kind][shortest][m] for step in steps) for m in ("f1", "ap")]
        rows.append([kind, *figures, *(number(v) for v in near)])
    heads = ["", "F1", "precision", "recall", "AP", "prevalence"]
    heads += [f"F1 at {shortest}", f"AP at {shortest}"]
    horizons = [
        [f"{h} steps", *(number(mean(step["by_horizon"][h][m] for step in steps)) for m in shown)]
        for h in steps[0]["by_horizon"]
    ]
    return (
        "### Types and horizons (mean over the seeds)\n\n"
        + table(heads, rows)
        + "\n\n"
        + table(heads[:6], horizons)
    )


def _events(document: Json) -> str:
    main = [job for _, job in results(document)]
    if not main:
        return ""
    blocks = []
    for far in main[0]["events"]:
        trees = [job["events"][far] for job in main]
        rows = [
            _event_row(name, [find(tree) for tree in trees])
            for name, find in [
                *((kind, _at("by_type", kind)) for kind in trees[0]["by_type"]),
                ("all", _at("all")),
                ("gradual causes", _at("by_cause", "gradual", "all")),
                ("abrupt causes", _at("by_cause", "abrupt", "all")),
                *(
                    (f"{kind}, gradual", _at("by_cause", "gradual", "by_type", kind))
                    for kind in trees[0]["by_type"]
                ),
            ]
        ]
        alarms = number(mean(tree["false_alarms_per_success"] for tree in trees))
        hours = number(mean(tree["false_alarms_per_hour"] for tree in trees), 1)
        heads = ["", "events", "detected", "lead, median [steps]", "lead, p10 [steps]"]
        blocks.append(
            f"### Events, alarms set to {far} of successful episodes (mean over the seeds)\n\n"
            f"{alarms} false alarms a successful episode, {hours} an hour.\n\n" + table(heads, rows)
        )
    return "\n\n".join(blocks)


def _at(*keys: str) -> Any:
    def find(tree: Json) -> Json:
        for key in keys:
            tree = tree[key]
        return tree

    return find


def _event_row(name: str, nodes: list[Json]) -> list[str]:
    if not nodes[0]["events"]:
        return [name, "0", "-", "-", "-"]
    return [
        name,
        str(nodes[0]["events"]),
        number(mean(node["recall"] for node in nodes)),
        *(
            number(mean(node[m] for node in nodes), 1)
            for m in ("lead_median_steps", "lead_p10_steps")
        ),
    ]


def _causes(document: Json) -> str:
    steps = [job["sets"]["all"]["tree"]["step"] for _, job in results(document)]
    if not steps or "by_cause" not in steps[0]:
        return ""
    rows = []
    for cause in ("gradual", "abrupt"):
        nodes = [step["by_cause"][cause] for step in steps]
        key, types = later(nodes[0], "macro"), later(nodes[0], "by_type")
        rows.append(
            [
                cause,
                *(number(mean(n[key][m] for n in nodes)) for m in METRICS[:4]),
                *(number(mean(n[types][k]["f1"] for n in nodes)) for k in nodes[0].get(types, {})),
            ]
        )
    kinds = [f"F1 {kind}" for kind in steps[0]["by_type"]]
    return "### Gradual and abrupt causes (each beside the same successes)\n\n" + table(
        ["", *HEADS[:4], *kinds], rows
    )
