"""The set as a whole: is there enough of everything to learn from?"""

from collections import Counter
from typing import Any

from salus_data.doctor.findings import Severity
from salus_data.doctor.labels import positive_steps
from salus_data.doctor.source import Source
from salus_data.types import Outcome


def check_set(sources: list[Source], min_positive_ratio: float) -> dict[str, Any]:
    """Findings about all stores together go to the first of them; returns the counts."""
    records = [record for source in sources for _, record in source.complete_records]
    outcomes = Counter(record.outcome.name for record in records)
    failed = [record for record in records if record.outcome is Outcome.FAILURE]
    positive, valid = (sum(values) for values in zip(*map(positive_steps, sources), strict=True))
    ratio = positive / valid if valid else 0.0
    _check_contracts(sources)
    if records:
        _check_classes(sources[0], outcomes, min_positive_ratio)
        _check_types(sources[0], failed)
        _check_ratio(sources[0], positive, valid, min_positive_ratio, failed)
    return {
        "episodes": sum(len(source.ends) for source in sources),
        "rows": sum(source.n_rows for source in sources),
        "outcomes": dict(sorted(outcomes.items())),
        "failure_types": dict(sorted(Counter(record.failure_type for record in failed).items())),
        "positive_steps": positive,
        "valid_steps": valid,
        "positive_ratio": ratio,
    }


def _check_contracts(sources: list[Source]) -> None:
    known = [source for source in sources if source.contract is not None]
    for source in known[1:]:
        first, this = known[0].contract, source.contract
        assert first is not None
        assert this is not None
        fields = ("step_period", "action_space", "state", "perceived", "signals", "cameras")
        for name in (*fields, "horizons", "failure_types"):
            mine, others = getattr(this, name), getattr(first, name)
            if mine != others:
                source.add(
                    Severity.ERROR,
                    "contracts_differ",
                    f"{name} differs from that of {known[0].path}: {mine} and {others}",
                    "read only stores together whose contracts agree",
                    field=f"contract.{name}",
                )


def _check_classes(source: Source, outcomes: Counter[str], min_positive_ratio: float) -> None:
    known = {name for name in ("SUCCESS", "FAILURE") if outcomes[name]}
    if len(known) == 2:
        return
    only = f"only {known.pop()}" if known else "neither success nor failure"
    source.add(
        # Whoever asks for no positives wants a set of successes, to calibrate on.
        Severity.ERROR if min_positive_ratio > 0 else Severity.WARNING,
        "one_class",
        f"among the outcomes of the whole set there is {only}: {dict(outcomes)}",
        "collect with disturbances to train on it; a set of successes serves calibration "
        "(--min-positive-ratio 0)",
        field="outcome",
    )


def _check_types(source: Source, failed: list[Any]) -> None:
    if source.contract is None or not failed:
        return
    seen = {record.failure_type for record in failed}
    for number, name in enumerate(source.contract.failure_types):
        if number not in seen:
            source.add(
                Severity.WARNING,
                "type_absent",
                f"no episode of the whole set failed by {name}",
                "a model cannot learn it from this set: collect more, or disturb otherwise",
                field="failure_type",
            )


def _check_ratio(
    source: Source, positive: int, valid: int, min_positive_ratio: float, failed: list[Any]
) -> None:
    ratio = positive / valid if valid else 0.0
    if ratio >= min_positive_ratio:
        return
    if failed and all(r.onset_step < 0 and r.event_source == "unknown" for r in failed):
        source.add(
            Severity.WARNING,
            "outcomes_only",
            f"none of the {len(failed)} failures of the whole set is dated, so no step has a "
            "positive label",
            "it trains and judges the outcome of episodes only; give event_step for more",
            field="onset_step",
        )
        return
    source.add(
        Severity.ERROR,
        "positive_ratio",
        f"{positive} of {valid} valid steps of the whole set have a positive label ({ratio:.4f}), "
        f"at least {min_positive_ratio:g} are asked for; {len(failed)} episodes failed",
        "relabel if failed episodes lack labels, else collect more failures",
        field="horizon_labels",
    )
