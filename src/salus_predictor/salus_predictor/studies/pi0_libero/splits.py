"""Who is trained on and who is tested: fixed in `splits.json` before any model had been run.

Seen: within every task and outcome, 70 % of the episodes train, 15 % validate, the rest test.
Unseen: three tasks test; of the other seven, 70 % train and 30 % validate. Drawn as the reference
code of ActProbe (arXiv 2606.08508) draws them, so that its published seeds test the same episodes.

    python -m salus_predictor.studies.pi0_libero.splits FILES...    # writes splits.json anew
"""

import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from salus_data.errors import FormatError

PROTOCOLS: Final = ("seen", "unseen")
SEEDS: Final = (0, 1, 2, 3, 4)
TRAIN_SHARE: Final = 0.70
VALIDATION_SHARE: Final = 0.15
UNSEEN_TASKS: Final = 3
SPLITS_FILE: Final = Path(__file__).with_name("splits.json")

Outcomes = Mapping[str, Sequence[tuple[str, bool]]]
"""(episode id, failed) of every episode by task, in the order of the files."""


@dataclass(frozen=True)
class Split:
    """Episode ids of one split."""

    protocol: str
    seed: int
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def draw_split(protocol: str, seed: int, outcomes: Outcomes) -> Split:
    """The split of one seed."""
    tasks = sorted(outcomes)
    unseen: list[str] = []
    if protocol == "unseen":
        shuffled = list(tasks)
        random.Random(seed + 1000).shuffle(shuffled)  # noqa: S311  a split is no secret
        unseen, tasks = shuffled[:UNSEEN_TASKS], shuffled[UNSEEN_TASKS:]
    generator = random.Random(seed)  # noqa: S311
    train: list[str] = []
    validation: list[str] = []
    test = [name for task in unseen for name, _ in outcomes[task]]
    for task in tasks:
        for failed in (False, True):
            group = [name for name, fails in outcomes[task] if fails == failed]
            generator.shuffle(group)
            first = int(len(group) * TRAIN_SHARE)
            second = (
                len(group) if protocol == "unseen" else first + int(len(group) * VALIDATION_SHARE)
            )
            train += group[:first]
            validation += group[first:second]
            test += group[second:]
    return Split(protocol, seed, tuple(train), tuple(validation), tuple(test))


def read_splits(path: Path = SPLITS_FILE) -> list[Split]:
    """The committed splits."""
    try:
        return [
            Split(
                one["protocol"],
                int(one["seed"]),
                tuple(one["train"]),
                tuple(one["validation"]),
                tuple(one["test"]),
            )
            for one in json.loads(path.read_text(encoding="utf-8"))
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path}: not a list of splits: {error!r}") from error


def write_splits(outcomes: Outcomes, path: Path = SPLITS_FILE) -> None:
    """Draw all splits and write them."""
    splits = [
        vars(draw_split(protocol, seed, outcomes)) for protocol in PROTOCOLS for seed in SEEDS
    ]
    path.write_text(json.dumps(splits, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    from salus_predictor.studies.pi0_libero.episodes import read_episodes

    write_splits(read_episodes([Path(name) for name in sys.argv[1:]]).outcomes())
