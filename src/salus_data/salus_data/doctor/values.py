"""Values: numbers that are not finite, constant, doubled, outside their limits or unexplained."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from salus_data.doctor.findings import Severity
from salus_data.doctor.source import Rows, Source
from salus_data.types import SupervisorStatus, Validity

EPISTEMIC = "epistemic"
"""Beginning of the name of every signal that measures disagreement within an ensemble."""

LIMIT_TOLERANCE = 1e-6

ALWAYS_REASONS = (Validity.WARMING_UP, Validity.INPUT_MISSING)
"""Why a signal that is not optional may lack a value at a step."""


def check_values(source: Source) -> None:
    """Everything about single numbers and single columns."""
    _check_finite(source)
    _check_validity(source)
    _check_signals(source)
    _check_ensemble(source)
    _check_actions(source)
    _check_supervisor(source)


def usable_signals(source: Source) -> tuple[Rows, list[str]] | None:
    """Signals (N, K) and their names; None where the store has none that can be read."""
    values = source.read("signals")
    if values is None or values.ndim != 2 or len(values) == 0:
        return None
    names = source.columns("signals")
    if len(names) != values.shape[1]:
        names = [f"signals[{i}]" for i in range(values.shape[1])]
    return values, names


def _check_finite(source: Source) -> None:
    for name in ("state", "action", "action_proposed", "perceived", "embedding", "sim_state"):
        values = source.read(name)
        if values is None or values.dtype.kind != "f" or values.ndim != 2:
            continue
        optional: Rows = np.zeros(values.shape[1], bool)
        if name == "perceived" and source.contract is not None:
            flags = [column.optional for column in source.contract.perceived]
            optional = np.array(flags) if len(flags) == len(optional) else optional
        if name == "embedding":  # none while the policy waits
            optional = np.ones(values.shape[1], bool)
        # NaN says "no value" in an optional column; infinity never means anything.
        bad = np.isinf(values) | (np.isnan(values) & ~optional)
        names = source.columns(name)
        for k in np.flatnonzero(bad.any(axis=0)):
            column = names[k] if len(names) == values.shape[1] else f"{name}[{k}]"
            source.add_rows(
                Severity.ERROR,
                "not_finite",
                bad[:, k],
                f"{column} is {values[np.argmax(bad[:, k]), k]}",
                "find the sensor or computation that made it; drop these episodes",
                field=f"{name}.{column}",
            )


def _check_validity(source: Source) -> None:
    found = usable_signals(source)
    if found is None:
        return
    signals, names = found
    validity = source.read("signal_validity")
    infinite = np.isinf(signals)
    for k in np.flatnonzero(infinite.any(axis=0)):
        source.add_rows(
            Severity.ERROR,
            "not_finite",
            infinite[:, k],
            f"{names[k]} is infinite",
            "a signal without a value is NaN with a reason in signal_validity",
            field=f"signals.{names[k]}",
        )
    if validity is None or validity.shape != signals.shape:
        _check_without_validity(source, signals, names)
        return
    unknown = ~np.isin(validity, [int(code) for code in Validity])
    missing = np.isnan(signals)
    explained = ~np.isin(validity, (Validity.UNKNOWN, Validity.VALID))
    optional: Rows = np.zeros(len(names), bool)
    if source.contract is not None and len(source.contract.signals) == len(names):
        optional = np.array([column.optional for column in source.contract.signals])
    required = ~optional & missing & explained & ~np.isin(validity, ALWAYS_REASONS)
    checks = (
        (
            Severity.ERROR,
            "nan_without_reason",
            missing & ~explained,
            "is NaN, and signal_validity gives no reason",
            "let what computes the signal say why it has no value (salus_data.types.Validity)",
        ),
        (
            Severity.ERROR,
            "value_without_validity",
            ~missing & (validity != Validity.VALID) & ~unknown,
            "has a value where signal_validity says that it has none",
            "values that stand in for missing ones mislead training: store NaN",
        ),
        (
            Severity.ERROR,
            "unknown_code",
            unknown,
            f"has a signal_validity outside {[int(code) for code in Validity]}",
            "the store comes from another version, or is damaged",
        ),
        (
            Severity.ERROR,
            "required_signal_missing",
            required,
            "has no value although the contract does not call it optional",
            "mark the column optional, or record what it is computed from",
        ),
        (
            Severity.WARNING,
            "input_missing",
            missing & (validity == Validity.INPUT_MISSING),
            "has no value because an input was late, missing or not finite",
            "look for drops in the recorder's diagnostics",
        ),
    )
    for severity, code, bad, message, advice in checks:
        for k in np.flatnonzero(bad.any(axis=0)):
            source.add_rows(
                severity,
                code,
                bad[:, k],
                f"{names[k]} {message}",
                advice,
                field=f"signals.{names[k]}",
            )


def _check_without_validity(source: Source, signals: Rows, names: list[str]) -> None:
    """A legacy store has no reasons: every NaN is one without."""
    missing = np.isnan(signals)
    for k in np.flatnonzero(missing.any(axis=0)):
        source.add_rows(
            Severity.ERROR,
            "nan_without_reason",
            missing[:, k],
            f"{names[k]} is NaN, and there is no signal_validity",
            "find out what made it NaN; an ensemble of one has no variance",
            field=f"signals.{names[k]}",
        )


def _check_signals(source: Source) -> None:
    found = usable_signals(source)
    if found is None or len(found[0]) < 2:
        return
    signals, names = found
    finite = np.isfinite(signals)
    constant = set()
    for k, name in enumerate(names):
        values = signals[finite[:, k], k]
        if len(values) == 0:
            constant.add(k)
            source.add(
                Severity.NOTE,
                "signal_absent",
                f"{name} has no value at any step",
                "leave it out of the inputs of a model trained on this store",
                field=f"signals.{name}",
            )
        elif len(values) > 1 and np.ptp(values) == 0:
            constant.add(k)
            source.add(
                Severity.ERROR,
                "constant_signal",
                f"{name} is {values[0]:g} at every step",
                "a signal that never changes was not computed: find out why, or remove it",
                field=f"signals.{name}",
            )
    for i, k in combinations([k for k in range(len(names)) if k not in constant], 2):
        if np.array_equal(signals[:, i], signals[:, k], equal_nan=True):
            source.add(
                Severity.ERROR,
                "duplicated_signal",
                f"{names[i]} and {names[k]} have the same values at every step",
                "one of the two was copied under another name: compute it, or remove it",
                field=f"signals.{names[k]}",
            )


def _check_ensemble(source: Source) -> None:
    size = source.contract.ensemble_size if source.contract is not None else None
    found = usable_signals(source)
    if size == 1 and (found is None or not _has_epistemic(*found)):
        source.add(
            Severity.NOTE,
            "single_member",
            "ensemble_size is 1, so there are no epistemic signals",
            "collect with an ensemble where a predictor is to know the policy's disagreement",
            field="contract.ensemble_size",
        )
    elif size == 1:
        source.add(
            Severity.ERROR,
            "ensemble_of_one",
            "ensemble_size is 1: one member has no disagreement",
            "use two members or more, or store NaN (NO_ENSEMBLE) in the epistemic signals",
            field="contract.ensemble_size",
        )
    if found is None:
        return
    signals, names = found
    for k, name in enumerate(names):
        values = signals[:, k][np.isfinite(signals[:, k])]
        if not name.startswith(EPISTEMIC) or len(values) == 0:
            continue
        if not values.any():
            source.add(
                Severity.ERROR,
                "ensemble_of_clones",
                f"{name} is 0 at every step: the members of the ensemble agree to the last bit",
                "load members that were trained apart; copies have no epistemic uncertainty",
                field=f"signals.{name}",
            )
        if size == 0:
            source.add(
                Severity.ERROR,
                "ensemble_missing",
                f"{name} has values, but ensemble_size is 0",
                "state how many members the policy has",
                field="contract.ensemble_size",
            )


def _has_epistemic(signals: Rows, names: list[str]) -> bool:
    columns = [k for k, name in enumerate(names) if name.startswith(EPISTEMIC)]
    return bool(np.isfinite(signals[:, columns]).any())


def _check_actions(source: Source) -> None:
    if source.contract is None:
        return
    space = source.contract.action_space
    low = np.array(space.low) - LIMIT_TOLERANCE
    high = np.array(space.high) + LIMIT_TOLERANCE
    for name, severity in (("action", Severity.ERROR), ("action_proposed", Severity.WARNING)):
        values = source.read(name)
        if values is None or values.shape[1:] != low.shape:
            continue
        outside = (values < low) | (values > high)
        for k in np.flatnonzero(outside.any(axis=0)):
            source.add_rows(
                severity,
                "action_out_of_limits",
                outside[:, k],
                f"{space.names[k]} is {values[np.argmax(outside[:, k]), k]:g}, the limits of "
                f"{space.name} are {space.low[k]:g} to {space.high[k]:g} {space.units[k]}",
                "check unit and sign convention of the policy's adapter",
                field=f"{name}.{space.names[k]}",
            )


def _check_supervisor(source: Source) -> None:
    state = source.read("supervisor_state")
    if state is None or state.ndim != 1:
        return
    unknown = state == SupervisorStatus.UNKNOWN
    ours = _recorded_by_salus(source)
    source.add_rows(
        Severity.ERROR,
        "supervisor_unknown",
        unknown & ours,
        "supervisor_state is UNKNOWN: nobody knows whose action was executed",
        "record with supervisor_node in the command path; drop these episodes",
        field="supervisor_state",
    )
    source.add_rows(
        Severity.WARNING,
        "supervisor_not_recorded",
        unknown & ~ours,
        "supervisor_state is UNKNOWN: what this was imported from does not say whether anything "
        "but the policy acted, so that it did not is an assumption",
        "state it beside every figure made from these episodes",
        field="supervisor_state",
    )
    source.add_rows(
        Severity.ERROR,
        "unknown_code",
        ~np.isin(state, [int(code) for code in SupervisorStatus]),
        f"supervisor_state is outside {[int(code) for code in SupervisorStatus]}",
        "the store comes from another version, or is damaged",
        field="supervisor_state",
    )
    changed = state > SupervisorStatus.NORMAL
    for i, record in source.complete_records:
        rows = np.flatnonzero(changed[source.starts[i] : source.ends[i]])
        first = int(rows[0]) if len(rows) else -1
        if first != record.first_intervention_step:
            source.add(
                Severity.ERROR,
                "intervention_disagrees",
                f"first_intervention_step is {record.first_intervention_step}, supervisor_state "
                f"first leaves NORMAL at {first}",
                "labels are censored there, so it must be right: correct the record and relabel",
                field="first_intervention_step",
                episode=i,
                step=max(first, 0),
            )


def _recorded_by_salus(source: Source) -> NDArray[np.bool_]:
    """(N,) whether the row's episode comes from a graph in which a supervisor always sits."""
    imported = np.zeros(len(source.ends), np.bool_)
    for i, record in source.complete_records:
        imported[i] = record.event_source not in ("", "physics")
    ours: NDArray[np.bool_] = ~imported[source.episode_of_row]
    return ours
