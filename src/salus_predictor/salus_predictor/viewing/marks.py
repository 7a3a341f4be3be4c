"""The risk as shapes for a 3D viewer: the intended path coloured by risk, bars, a banner."""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.types import SupervisorStatus
from salus_predictor.supervisor.risk import Risk, RiskLevel

Array = NDArray[np.float64]
Colour = tuple[float, float, float, float]
Point = tuple[float, float, float]

CALM: Final[Colour] = (0.04, 0.60, 0.45, 1.0)
UNSURE: Final[Colour] = (0.88, 0.56, 0.12, 1.0)
BAD: Final[Colour] = (0.82, 0.16, 0.24, 1.0)
UNKNOWN: Final[Colour] = (0.55, 0.58, 0.62, 1.0)
WHITE: Final[Colour] = (0.95, 0.95, 0.95, 1.0)

LEVEL_COLOURS: Final = {
    RiskLevel.UNKNOWN: UNKNOWN,
    RiskLevel.NORMAL: CALM,
    RiskLevel.ELEVATED: UNSURE,
    RiskLevel.ALARM: BAD,
}
STATE_COLOURS: Final = {
    SupervisorStatus.UNKNOWN: UNKNOWN,
    SupervisorStatus.NORMAL: CALM,
    SupervisorStatus.SLOWED: UNSURE,
    SupervisorStatus.HOLDING: BAD,
    SupervisorStatus.RETREATING: BAD,
    SupervisorStatus.STOPPED: BAD,
}

CORNER: Final[Point] = (0.25, -0.55, 0.0)
"""Foot of the first bar [m, base frame]: beside the table, away from the arm."""
SPACING, WIDTH, HEIGHT = 0.11, 0.06, 0.30
BANNER: Final[Point] = (0.45, 0.0, 0.85)


@dataclass(frozen=True)
class Mark:
    """One shape in the base frame.

    Attributes:
        name: unique; the same name replaces the shape before.
        shape: `box`, `text` or `line`.
        position: centre [m]; size: of a box, or text height and line width in its last part [m].
        colour: red, green, blue, opacity.
        text: of a text.
        points, colours: of a line.
    """

    name: str
    shape: str
    position: Point = (0.0, 0.0, 0.0)
    size: Point = (0.0, 0.0, 0.0)
    colour: Colour = WHITE
    text: str = ""
    points: tuple[Point, ...] = ()
    colours: tuple[Colour, ...] = field(default=())


def mixed(share: float) -> Colour:
    """Green at 0, amber at 0.5, red at 1; grey where it is not known."""
    if not math.isfinite(share):
        return UNKNOWN
    share = min(1.0, max(0.0, share))
    low, high, part = (CALM, UNSURE, 2 * share) if share < 0.5 else (UNSURE, BAD, 2 * share - 1)
    r, g, b, a = ((1 - part) * x + part * y for x, y in zip(low, high, strict=True))
    return r, g, b, a


def risk_at(risk: Risk | None, seconds: Array) -> Array:
    """Probability (N,) of the likeliest failure within each time [s]; NaN without a forecast.

    Cumulative incidences are 0 now and are joined by straight lines; beyond the longest horizon
    nothing more is known, so it stays there.
    """
    if risk is None or risk.fault:
        return np.full(len(seconds), np.nan)
    times = np.concatenate([[0.0], risk.horizons])
    worst = np.concatenate([[0.0], risk.probability.max(axis=1)])
    risks: Array = np.interp(seconds, times, worst)
    return risks


def path_mark(points: Array, step_period: float, risk: Risk | None) -> Mark:
    """Where the gripper intends to go (N, 3) m, one point a step, coloured by the risk by then."""
    seconds = step_period * np.arange(len(points), dtype=np.float64)
    shares = risk_at(risk, seconds)
    rows = [(float(x), float(y), float(z)) for x, y, z in points]
    return Mark(
        "path",
        "line",
        size=(0.0, 0.0, 0.012),
        points=tuple(rows),
        colours=tuple(mixed(float(share)) for share in shares),
    )


def bars(risk: Risk | None, failure_types: tuple[str, ...]) -> list[Mark]:
    """A bar a failure type, as high as its probability within the longest horizon, and its name."""
    marks = []
    usable = risk is not None and not risk.fault and risk.failure_types == failure_types
    for k, name in enumerate(failure_types):
        share, level = math.nan, RiskLevel.UNKNOWN
        if usable and risk is not None:
            share = float(risk.probability[-1, k])
            level = RiskLevel(int(risk.levels[:, k].max()))
        x, y = CORNER[0] + SPACING * k, CORNER[1]
        height = HEIGHT * (share if math.isfinite(share) else 0.0) + 0.004
        marks.append(
            Mark(
                f"bar {name}",
                "box",
                (x, y, CORNER[2] + height / 2),
                (WIDTH, WIDTH, height),
                LEVEL_COLOURS[level],
            )
        )
        shown = "?" if math.isnan(share) else f"{100 * share:.0f} %"
        marks.append(
            Mark(
                f"name {name}",
                "text",
                (x, y, CORNER[2] + height + 0.04),
                (0.0, 0.0, 0.032),
                WHITE,
                f"{name}\n{shown}",
            )
        )
    return marks


def banner(
    status: SupervisorStatus, would_be: SupervisorStatus, reason: str, *, shadow: bool
) -> Mark:
    """What the supervisor is doing, in words; in shadow mode, what it would be doing."""
    shown = would_be if shadow else status
    words = shown.name
    if shadow:
        words = f"shadow: would be {would_be.name}"
    if reason:
        words += f"\n{_wrapped(reason, 46)}"
    return Mark("banner", "text", BANNER, (0.0, 0.0, 0.05), STATE_COLOURS[shown], words)


def _wrapped(text: str, width: int) -> str:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])
