"""What a SmolVLA ensemble costs, against one member and against whole policies.

The measuring is `salus_collector.policy.smolvla.measure`; the weights are random, because the cost
does not depend on them.
"""

from typing import TYPE_CHECKING

from salus.bench.harness import Benchmark, Row

if TYPE_CHECKING:
    from salus_collector.policy.smolvla.measure import PolicyCost

ENSEMBLE_TARGET = 2.0
SIGNALS_TARGET = 0.1


def measure(
    configuration: str, members: int, noises: int, rounds: int, device: str, dtype: str
) -> Benchmark:
    """Measure and judge; the parameters are those of `salus_collector...measure.measure`."""
    from salus_collector.policy.smolvla import measure as core

    # An episode long enough for a 99th percentile, except where a step costs a second.
    steps = 300 if configuration == "small" else 30
    return table(
        core.measure(
            configuration,
            members=members,
            noises=noises,
            rounds=rounds,
            steps=steps,
            device=device,
            dtype=dtype,
        )
    )


def table(cost: "PolicyCost") -> Benchmark:
    """The rows of what was measured; times are medians of the rounds."""
    many = f"{cost.members} members, shared prefix"

    def row(
        what: str, seconds: float, against: str = "", other: float = 0.0, **limit: float
    ) -> Row:
        return Row(what, 1e3 * seconds, "ms", against, 1e3 * other if against else None, **limit)

    return Benchmark(
        "policy",
        (
            row(many, cost.ensemble, "one member", cost.one_member, at_most=ENSEMBLE_TARGET),
            row(many, cost.ensemble, f"{cost.members} whole policies, looped", cost.loop),
            row(f"{cost.members} whole policies, looped", cost.loop, "one", cost.one_lerobot),
            row("prefix", cost.prefix, many, cost.ensemble),
            row("signals", cost.signals, many, cost.ensemble, at_most=SIGNALS_TARGET),
            row("step, p50", cost.step_p50),
            row("step, p99", cost.step_p99),
            Row("weights", cost.weights_mb, "MB", f"{cost.members} whole policies", cost.whole_mb),
            Row("process, resident", cost.resident_mb, "MB"),
        ),
        {
            "configuration": cost.configuration,
            "weights": cost.weights,
            "parameters_millions": round(cost.parameters, 2),
            "noises": cost.noises,
            "device": cost.device,
            "dtype": cost.dtype,
            "threads": cost.threads,
        },
    )
