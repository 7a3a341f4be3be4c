"""Tables that set one model beside another."""

from salus_predictor.studies.simulation.markdown import Json, interval, number, results, table


def models(document: Json) -> str:
    """Models that differ from another one in one thing."""
    rows = []
    for name, job in document["jobs"].items():
        if job["section"] not in ("inputs", "time", "data", "signals"):
            continue
        if "refused" in job:
            rows.append([name, str(job["training_episodes"]), f"refused: {job['refused'][0]}"])
            continue
        head = job["sets"]["all"]["headline"]
        against = document["differences"].get(name)
        change = f"{interval(against, 'f1')} to {against['against']}" if against else "-"
        rows.append(
            [
                name,
                str(job["training_episodes"]),
                *(interval(head, m) for m in ("f1", "ap")),
                *(number(head[m]) for m in ("precision", "recall")),
                change,
            ]
        )
    if not rows:
        return ""
    heads = ["", "episodes", "F1", "AP", "precision", "recall", "F1, difference"]
    return "### Inputs, time, data, signals left out\n\n" + table(heads, rows)


def families(document: Json) -> str:
    """Families of causes, known to training and held out of it."""
    jobs, full = document["jobs"], document["protocol"]["full"]
    rows = []
    for family, change in document["families"].items():
        job = jobs[f"{full}-without-{family}"]
        known = jobs[full]["sets"][family]
        if change is None:
            rows.append([family, str(known["episodes"]), str(known["failures"]), "refused"])
            continue
        new = job["sets"][family]
        rows.append(
            [
                family,
                str(known["episodes"]),
                str(known["failures"]),
                number(known["headline"]["f1"]),
                number(new["headline"]["f1"]),
                interval(change, "f1"),
                number(known["tree"]["event"]["all"]["recall"]),
                number(new["tree"]["event"]["all"]["recall"]),
            ]
        )
    if not rows:
        return ""
    heads = ["", "test episodes", "failures", "F1", "F1, held out", "difference"]
    heads += ["detected", "detected, held out"]
    title = "### Families of causes held out of training, on the test episodes that have them"
    return f"{title}\n\n{table(heads, rows)}"


def rates(document: Json) -> str:
    """Realised false-alarm rates beside the nominal ones."""
    told = document["false_alarms"]
    if not told:
        return ""
    rows = [
        [alpha, name, *(number(figures[k], 3) for k in ("mean", "gap", "mean_gap")),
         f"{number(figures['lowest'])} to {number(figures['highest'])}"]
        for alpha, kinds in told["rates"].items()
        for name, figures in kinds.items()
    ]  # fmt: skip
    return (
        f"### False-alarm rate: {told['episodes']} successful test episodes halved "
        f"{told['resplits']} times\n\n"
        + table(
            ["nominal", "alarm", "realised, mean", "gap of the mean", "mean gap", "range"], rows
        )
    )


def baselines(document: Json) -> str:
    """Every baseline, and the result of the first seed among them."""
    shown = []
    for name, run in document["baselines"].items():
        if "not_run" not in run:
            shown.append((name, run["sets"]["all"]))
    for name, job in results(document)[:1]:
        shown.append((f"**{name}**", job["sets"]["all"]))
    if not document["baselines"]:
        return ""
    shown.sort(key=lambda pair: -(pair[1]["headline"]["f1"] or 0.0))
    rows = [
        [
            name,
            interval(found["headline"], "f1"),
            *(number(found["headline"][m]) for m in ("precision", "recall", "ap", "auroc")),
            number(found["tree"]["event"]["all"]["recall"]),
            number(found["tree"]["event"]["false_alarms_per_success"]),
            number(found["tree"]["episode"]["auc_prefix_100"]),
        ]
        for name, found in shown
    ]
    missing = [f"{n} {r['not_run']}" for n, r in document["baselines"].items() if "not_run" in r]
    heads = [
        "",
        "F1",
        "precision",
        "recall",
        "AP",
        "AUROC",
        "detected",
        "false/success",
        "AUC prefix",
    ]
    text = "### Baselines on the same episodes\n\n" + table(heads, rows)
    return text + (f"\n\nNot run: {'; '.join(missing)}." if missing else "")
