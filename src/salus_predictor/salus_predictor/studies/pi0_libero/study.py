"""Every entry on every split; what has been computed is kept, so that a study goes on after a stop.

Kept scores are only reused for the same files, splits and code.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from salus_predictor.steps import StepData
from salus_predictor.studies.pi0_libero.actprobe import actprobe_scores
from salus_predictor.studies.pi0_libero.episodes import CUTS, Episodes, read_episodes
from salus_predictor.studies.pi0_libero.members import MEMBERS
from salus_predictor.studies.pi0_libero.mixes import (
    Choice,
    MemberScores,
    choose,
    member_scores,
    mixed,
    rate_logit,
)
from salus_predictor.studies.pi0_libero.outcome_head import outcome_scores, rollout_steps
from salus_predictor.studies.pi0_libero.safe_mlp import NAME as SAFE
from salus_predictor.studies.pi0_libero.safe_mlp import safe_scores
from salus_predictor.studies.pi0_libero.splits import PROTOCOLS, SPLITS_FILE, Split, read_splits
from salus_predictor.studies.pi0_libero.table import Cell, cells, leads, markdown

ACTPROBE: Final = "ActProbe"
HEAD: Final = "SALUS outcome head"
MIX: Final = "SALUS prefix mix"
MIX_RATE: Final = "SALUS prefix mix and task rate"
SHOWN_MEMBERS: Final = ("logistic regression", "extra trees")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SplitChoice:
    """What the folds of one split chose."""

    protocol: str
    seed: int
    entry: str
    choice: Choice


@dataclass(frozen=True)
class StudyResult:
    """All figures, the choices behind them, and both as text."""

    cells: list[Cell]
    choices: list[SplitChoice]
    text: str


def run_study(files: Sequence[Path], out: Path, say: Callable[[str], None]) -> StudyResult:
    """Run what is not there yet and make the tables.

    Args:
        files: the ten task files.
        out: folder for scores; made if it is missing.
        say: told what is done.

    Raises:
        FormatError: the files are not those of the splits.
    """
    torch.set_num_threads(1)
    episodes = read_episodes(files)
    out.mkdir(parents=True, exist_ok=True)
    data = rollout_steps(files, out / "rollouts.zarr")
    found: list[Cell] = []
    choices: list[SplitChoice] = []
    text = []
    for protocol in PROTOCOLS:
        table: dict[str, list[Array]] = {}
        for split in [one for one in read_splits() if one.protocol == protocol]:
            say(f"{protocol}, seed {split.seed}")
            entries, chosen = _split_entries(episodes, data, split, out)
            choices += chosen
            for name, scores in entries.items():
                table.setdefault(name, []).append(scores)
        stacked = {name: np.stack(scores) for name, scores in table.items()}
        found += cells(episodes, protocol, stacked, ACTPROBE)
        text += [f"\n### {protocol}\n", markdown(found, protocol)]
        for entry in (MIX, MIX_RATE):
            if entry in stacked:
                text += [
                    f"\n{entry} ahead of {ACTPROBE}, {protocol}:\n",
                    "| | difference |\n|---|---|",
                ]
                text.append(leads(found, protocol, entry))
    for one in choices:
        text.append(
            f"{one.protocol} {one.seed} {one.entry}: {' + '.join(one.choice.mix)}, rate "
            f"{one.choice.rate_weight:g}, folds {one.choice.fold_score:.3f}"
        )
    return StudyResult(found, choices, "\n".join(text))


def _split_entries(
    episodes: Episodes, data: StepData, split: Split, out: Path
) -> tuple[dict[str, Array], list[SplitChoice]]:
    """Scores (cuts, E) of every entry on one split, NaN outside its test set."""
    train, validation, test = (
        episodes.find(ids) for ids in (split.train, split.validation, split.test)
    )
    fit = np.concatenate([train, validation])

    def members() -> dict[str, Array]:
        return vars(member_scores(episodes, split))

    def steps() -> dict[str, Array]:
        probe = actprobe_scores(episodes, train, validation, test, seed=split.seed)
        safe = safe_scores(episodes, fit, test, seed=split.seed)
        # The score of a prefix is the highest so far.
        peak = [np.maximum.accumulate(one) for one in probe]
        return {
            ACTPROBE: _at_cuts(episodes, test, peak),
            SAFE: _at_cuts(episodes, test, safe),
        }

    def head() -> dict[str, Array]:
        return {HEAD: _at_cuts(episodes, test, outcome_scores(data, split))}

    key = _key(episodes, split)
    logits = MemberScores(**_kept(out / f"members-{split.protocol}-{split.seed}.npz", key, members))
    step_scores = _kept(out / f"steps-{split.protocol}-{split.seed}.npz", key, steps)
    head_scores = _kept(out / f"head-{split.protocol}-{split.seed}.npz", key, head)
    held = np.full(len(episodes), np.nan)
    held[test] = 0.0
    elapsed = np.stack([episodes.prefix_rows(cut) + held for cut in CUTS])
    rate = rate_logit(episodes, fit) + held
    entries = {
        "elapsed time": elapsed,
        "task failure rate": np.repeat(rate[None], len(CUTS), axis=0),
        ACTPROBE: step_scores[ACTPROBE],
        SAFE: step_scores[SAFE],
        HEAD: head_scores[HEAD],
    }
    for m, member in enumerate(MEMBERS):
        if member.name in SHOWN_MEMBERS:
            entries[member.name] = logits.test[:, m]
    chosen = []
    for entry, with_rate in ((MIX, False), (MIX_RATE, True)):
        if with_rate and split.protocol == "unseen":
            continue
        choice = choose(episodes, logits, with_rate=with_rate)
        chosen.append(SplitChoice(split.protocol, split.seed, entry, choice))
        entries[entry] = np.stack(
            [
                mixed(logits.test, logits.folds, c, choice.mix) + choice.rate_weight * rate
                for c in range(len(CUTS))
            ]
        )
    return entries, chosen


def _at_cuts(episodes: Episodes, test: NDArray[np.int64], scores: Sequence[Array]) -> Array:
    """(cuts, E): each episode's score after the last step that the cut shows."""
    found = np.full((len(CUTS), len(episodes)), np.nan)
    for c, cut in enumerate(CUTS):
        rows = episodes.prefix_rows(cut)
        for e, one in zip(test, scores, strict=True):
            found[c, e] = one[rows[e] - 1]
    return found


def _key(episodes: Episodes, split: Split) -> str:
    """What the kept scores depend on: files, splits and the code of this folder."""
    parts = [repr(split).encode(), SPLITS_FILE.read_bytes()]
    parts += [signals.tobytes() for signals in episodes.signals]
    names = ("actprobe", "episodes", "features", "members", "mixes", "outcome_head", "safe_mlp")
    parts += [Path(__file__).with_name(f"{name}.py").read_bytes() for name in names]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _kept(path: Path, key: str, make: Callable[[], dict[str, Array]]) -> dict[str, Array]:
    if path.exists():
        with np.load(path, allow_pickle=False) as file:
            if str(file["key"]) == key:
                return {name: file[name] for name in file.files if name != "key"}
    made = make()
    arrays: dict[str, Any] = {"key": np.array(key), **made}
    np.savez(path, **arrays)
    return made
