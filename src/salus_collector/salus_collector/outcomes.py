"""How episodes of a policy end, with and without disturbances; the scripted expert unless told.

python -m salus_collector.outcomes --disturbances none --episodes 200 --seed 100
python -m salus_collector.outcomes --disturbances none --episodes 200 --policy smolvla
python -m salus_collector.outcomes --disturbances config/disturbances.yaml --episodes 300
python -m salus_collector.outcomes --disturbances fading_grip --episodes 40
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from salus_collector.plan import plan_episode
from salus_collector.policy.base import Policy
from salus_collector.policy.expert import Expert
from salus_collector.policy.registry import make_policy
from salus_collector.policy.settings import PolicySettings
from salus_collector.rollout import rollout
from salus_collector.sim.disturbance_config import (
    NO_DISTURBANCES,
    DisturbanceMix,
    load_mix,
)
from salus_collector.sim.environment import PandaPickPlace
from salus_data.episode import EpisodeRecord
from salus_data.errors import SalusError
from salus_data.types import FAILURE_TYPES, FailureType, Outcome

ENDS: Final = ("success", *FAILURE_TYPES, "truncated", "discarded")
"""How an episode can end, failures by their type."""

IMAGE_SIZE: Final = 256
"""Side of the images [px], as `salus collect` renders them."""


def end_of(record: EpisodeRecord) -> str:
    """How the episode ended, one of ENDS."""
    if record.outcome is Outcome.FAILURE:
        return FailureType(record.failure_type).name.lower()
    return record.outcome.name.lower()


def policy_episodes(
    mix: DisturbanceMix,
    episodes: int,
    root_seed: int,
    first: int = 0,
    policy: Policy | None = None,
) -> Iterator[EpisodeRecord]:
    """The records of episodes `first` to `first + episodes - 1`, by default of the expert.

    Images of IMAGE_SIZE pixels are rendered where the policy reads any.
    """
    policy = policy or Expert()
    environment = PandaPickPlace(image_size=IMAGE_SIZE if policy.needs_images else 0)
    try:
        for index in range(first, first + episodes):
            yield rollout(environment, policy, plan_episode(root_seed, index, mix))
    finally:
        environment.close()


def expert_success(n_seeds: int, root_seed: int) -> dict[str, Any]:
    """How often the undisturbed expert succeeds.

    Returns:
        `episodes`; `successes`; `success_rate` [0, 1]; `ends`, a count by name of end;
        `failed`, the ids of the other episodes; `median_steps`, from idle time to the event.
    """
    records = list(policy_episodes(NO_DISTURBANCES, n_seeds, root_seed))
    ends = Counter(map(end_of, records))
    lengths = sorted(record.confirm_step - record.idle_steps for record in records)
    return {
        "episodes": n_seeds,
        "successes": ends["success"],
        "success_rate": ends["success"] / n_seeds,
        "ends": dict(ends),
        "failed": [record.id for record in records if end_of(record) != "success"],
        "median_steps": lengths[len(lengths) // 2],
    }


def share_interval(count: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share, exact (Clopper and Pearson, 1934)."""
    from scipy.stats import binomtest

    interval = binomtest(count, total).proportion_ci(0.95, method="exact")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class OutcomeTable:
    """Counts of ends: over all episodes, and over those in which a family was alone.

    Attributes:
        total: end -> episodes.
        by_family: family, `none` or `two or more` -> end -> episodes.
        abrupt: disturbed episodes with an abrupt cause.
    """

    total: Counter[str]
    by_family: dict[str, Counter[str]]
    abrupt: int

    @property
    def disturbed(self) -> int:
        """Episodes with one family or more."""
        undisturbed = self.by_family.get("none", Counter[str]()).total()
        return self.total.total() - undisturbed

    def text(self) -> str:
        """The table for people."""
        rows = [*sorted(self.by_family.items()), ("all", self.total)]
        width = max(len(name) for name, _ in rows)
        lines = [" " * width + "".join(f"{end:>11}" for end in (*ENDS, "episodes"))]
        for name, counts in rows:
            numbers = (*(counts[end] for end in ENDS), counts.total())
            lines.append(name.ljust(width) + "".join(f"{n:>11}" for n in numbers))
        episodes = self.total.total()
        shares = (100 * self.total[end] / episodes for end in ENDS)
        lines.append("%".ljust(width) + "".join(f"{share:>11.1f}" for share in shares))
        bounds = [share_interval(self.total[end], episodes) for end in ENDS]
        lines.append(
            "95 %".ljust(width)
            + "".join(f"{f'{100 * low:.0f}-{100 * high:.0f}':>11}" for low, high in bounds)
        )
        if self.disturbed:
            share = 100 * self.abrupt / self.disturbed
            lines.append(f"abrupt: {self.abrupt} of {self.disturbed} disturbed ({share:.1f} %)")
        return "\n".join(lines)


def tabulate(records: Iterable[EpisodeRecord]) -> OutcomeTable:
    """Count how episodes ended, by family."""
    total: Counter[str] = Counter()
    by_family: dict[str, Counter[str]] = {}
    abrupt = 0
    for record in records:
        families = list(record.disturbance) or ["none"]
        name = families[0] if len(families) == 1 else "two or more"
        total[end_of(record)] += 1
        by_family.setdefault(name, Counter())[end_of(record)] += 1
        abrupt += record.abrupt
    return OutcomeTable(total, by_family, abrupt)


def main(arguments: list[str] | None = None) -> int:
    """The command line; exits with 2 on wrong use."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--disturbances", default="none", help="none, a family, or a YAML file")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=100, help="root seed")
    parser.add_argument("--first", type=int, default=0, help="index of the first episode")
    parser.add_argument("--policy", default="expert", help="name or checkpoint folder")
    chosen = parser.parse_args(arguments)
    # Signals are not looked at: one sample whenever a chunk is planned gives the same actions.
    settings = PolicySettings(noises=1, signals_every=1_000_000)
    try:
        mix = load_mix(chosen.disturbances)
        policy = make_policy(chosen.policy, settings)
        table = tabulate(policy_episodes(mix, chosen.episodes, chosen.seed, chosen.first, policy))
    except SalusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table.text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
