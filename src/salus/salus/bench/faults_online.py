"""Faults while a robot runs: processes that die or freeze, floods, disorder, NaN, clocks.

Each fault strikes once, amid an episode of its own; every command that comes back is judged from
outside (`audit`). What must hold the arm must do so within two steps, for a reason that names the
fault; the next episode without a fault must run as if nothing had been.
"""

import statistics
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from rich.console import Console

from salus.bench.harness import Benchmark, Row
from salus.bench.online_faults.kinds import FAULTS
from salus.bench.online_faults.stage import FIRST, LAST, Stage, Strike
from salus.bench.watched import Watched
from salus_data.errors import SalusError
from salus_ros.domain import claimed_domain
from salus_ros.graph import Graph


def inject(
    watched: Watched,
    faults: int,
    *,
    names: tuple[str, ...] = tuple(FAULTS),
    seed: int = 11,
    on_strike: Callable[[Strike], None] | None = None,
) -> list[Strike]:
    """Let so many faults strike, of the named kinds in turn, at random steps.

    Raises:
        SalusError: a process did not start, or ended by itself; or the graph does not run even
            without a fault, as with a model of other signals.
    """
    random = np.random.default_rng(seed)
    played = watched.record()
    strikes = []
    with ExitStack() as stack:
        domain = stack.enter_context(claimed_domain())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        graph = stack.enter_context(Graph(domain))
        stage = Stage(graph, domain, played, watched.model, watched.parameters(played), folder)
        stack.callback(stage.close)
        stage.start()
        calm = stage.run(None, "none", 0)
        if calm.held_at >= 0 or calm.unsafe:
            raise SalusError(f"without a fault: {calm.reason or calm.unsafe[0]}")
        for k in range(faults):
            name = names[k % len(names)]
            at = int(random.integers(FIRST, LAST + 1))
            strike = stage.run(FAULTS[name], name, at)
            calm = stage.run(None, "none", 0)
            strike.recovered = calm.held_at < 0 and not calm.unsafe
            strike.why_not = calm.reason
            strike.unsafe += calm.unsafe
            strikes.append(strike)
            if on_strike is not None:
                on_strike(strike)
    return strikes


def measure(watched: Watched, faults: int, seed: int = 11) -> Benchmark:
    """Let faults strike; a table of what they did."""
    console = Console(stderr=True)
    struck = Counter[str]()

    def tell(strike: Strike) -> None:
        struck[strike.name] += 1
        if (done := struck.total()) % 10 == 0:
            console.print(f"{done} of {faults} faults", highlight=False)
        for problem in strike.problems():
            console.print(f"{strike.name} at step {strike.step}: {problem}", highlight=False)

    strikes = inject(watched, faults, seed=seed, on_strike=tell)
    must = [strike for strike in strikes if strike.must_hold]
    held = [strike.held_at - strike.step for strike in must if strike.held_at >= 0]
    return Benchmark(
        "faults-online",
        (
            Row("faults injected", len(strikes), "", "asked for", faults, at_least=1),
            Row("unsafe commands", sum(len(s.unsafe) for s in strikes), "", at_most=0),
            Row("held within 2 steps, right reason", sum(s.in_time for s in must), "",
                "that must hold", max(len(must), 1), at_least=1),
            Row("next episode undisturbed", sum(s.recovered for s in strikes), "", "faults",
                len(strikes), at_least=1),
        ),
        {name: _of_kind([s for s in strikes if s.name == name]) for name in FAULTS}
        | {"steps to the hold": f"median {statistics.median(held):g}, longest {max(held)}"
           if held else "none"},
    )  # fmt: skip


def _of_kind(strikes: list[Strike]) -> str:
    """What the faults of one kind came to, in a line."""
    if not strikes:
        return "0 times"
    held = [s for s in strikes if s.held_at >= 0]
    line = f"{len(strikes)} times, held {len(held)}"
    if held:
        line += f" ('{held[0].reason[:60]}')"
    return f"{line}, recovered {sum(s.recovered for s in strikes)}"
