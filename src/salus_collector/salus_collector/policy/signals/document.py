"""Writes docs/SIGNALS.md from the definitions; `COMMAND` is the command."""

import sys
from pathlib import Path
from typing import Final

from salus_collector.perception.sighted import SIGHT_COLUMNS, SIGHT_SIGNALS
from salus_collector.perception.signals import VISUAL_COLUMNS, VISUAL_SIGNALS
from salus_collector.policy.intent import INTENT_COLUMNS, INTENT_SIGNALS, PLAN_STEPS
from salus_collector.policy.signals.table import CORE, POLICY_SIGNALS, PolicySignal
from salus_data.contract import Column
from salus_data.signals import signals_table

COMMAND: Final = "python -m salus_collector.policy.signals.document docs/SIGNALS.md"

_HEAD: Final = f"""# Signals

What a predictor may read at every step. This file is made from the definitions in the code:
`{COMMAND}`.

None of the signals knows the time, none looks ahead, and every step costs the same. A signal
without a value is NaN, with the reason in `signal_validity` (docs/DATA_FORMAT.md). The input set
`core` is {", ".join(f"`{name}`" for name in CORE)}.

## Of the policy's uncertainty

Computed by `salus_collector.policy.signals` from what a learnt policy samples. Samples are
(K, S, T, D): K members of an ensemble, S noises that all members share, T steps of a chunk, D
components of an action. Unit 1 means half the range that the action space allows a component.
All members look at the scene every `signals_every` steps; a signal of this step's action uses the
newest samples at this step's place in their chunk, one of whole chunks is held in between. The
chunk that is executed is replaced every `n_action_steps` steps, on a schedule of its own, so that
its boundaries do not show in the signals.

"""

_INTENT: Final = f"""
## Of the policy's plan

Computed by `salus_collector.policy.intent` from the next {PLAN_STEPS} steps of the newest chunk, as
if the arm followed at once, and what the policy perceives. All are NaN (NOT_PROVIDED) for a policy
without a plan of that length, or in an action space that says nothing of the gripper's position.

| Signal | Unit | Definition | Optional |
|---|---|---|---|
"""

_VISUAL: Final = """
## Of the localiser that looks at the cameras

Recorded beside a policy that acts on what it is told (`--localiser`,
`salus_collector.perception.seeing`). Obstacle and bin
stand still: what is shown of them is averaged over the latest frames.

| Signal | Unit | Definition | Optional |
|---|---|---|---|
"""

_SIGHT: Final = """
## Of a policy that looks for itself

`smolvla` acts on the poses that its localiser sees (`salus_collector.perception.sighted`). It gives
these signals and, computed from what it sees, those of the robot that are about objects; the robot
then gives the others. Nothing that the simulation says of the scene is in them. Bin and obstacle
stand still, so they are averaged over the latest frames (`salus_collector.perception.memory`).

| Signal | Unit | Definition | Optional |
|---|---|---|---|
"""

_ROBOT: Final = """
## Of the robot itself

At step t, `action` and "the motion asked for" are what the policy proposes at t; at every earlier
step they are what was executed, which differs where the supervisor stepped in. So the row of step
t, and the forecast made from it, exist before the action of t is let through, and a recorder, a bag
import and the running predictor compute the same numbers (`salus_data.signals`).

"""


def needs(signal: PolicySignal) -> str:
    """In words, what must be there for a signal to have a value, and the reason where it is not."""
    parts = [
        "two members (NO_ENSEMBLE)" if signal.ensemble else "",
        "two noises (NOT_PROVIDED)" if signal.noises else "",
        "embedding_stats.safetensors (NOT_PROVIDED)" if signal.fitted else "",
        "an earlier sampling (WARMING_UP)" if signal.pair else "",
        f"{signal.history} steps (WARMING_UP)" if signal.history else "",
    ]
    return ", ".join(part for part in parts if part)


def policy_table() -> str:
    """The uncertainty signals as a Markdown table."""
    rows = [
        "| Signal | Unit | Definition | Source | Needs |",
        "|---|---|---|---|---|",
        *(
            f"| `{s.name}` | {s.unit} | {s.formula} | {s.source} | {needs(s)} |"
            for s in POLICY_SIGNALS
        ),
    ]
    return "\n".join(rows) + "\n"


def plain_table(signals: tuple[tuple[str, str, str], ...], columns: tuple[Column, ...]) -> str:
    """Rows of a Markdown table: name, unit, definition, whether a robot may lack it."""
    return "".join(
        f"| `{name}` | {unit} | {formula} | {'yes' if column.optional else 'no'} |\n"
        for (name, unit, formula), column in zip(signals, columns, strict=True)
    )


def document() -> str:
    """The whole of docs/SIGNALS.md."""
    return "".join(
        [
            _HEAD,
            policy_table(),
            _INTENT,
            plain_table(INTENT_SIGNALS, INTENT_COLUMNS),
            _ROBOT,
            signals_table(),
            _SIGHT,
            plain_table(SIGHT_SIGNALS, SIGHT_COLUMNS[: len(SIGHT_SIGNALS)]),
            _VISUAL,
            plain_table(VISUAL_SIGNALS, VISUAL_COLUMNS),
        ]
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")
