"""Which policy a benchmark watches with which model."""

from dataclasses import dataclass
from typing import Any

from salus.bench.playback import Played, record
from salus_collector.perception.seeing import with_localiser
from salus_collector.policy.registry import make_policy


@dataclass(frozen=True)
class Watched:
    """What is watched and by what.

    Attributes:
        model: folder of the predictor, or `shipped`.
        policy: by name, or checkpoints.
        localiser: adds signals of what the cameras show; empty: none.
        image_size: side of the images [px], where anything reads them.
    """

    model: str
    policy: str = "expert"
    localiser: str = ""
    image_size: int = 128

    def record(self) -> Played:
        """One undisturbed episode of the policy."""
        policy = with_localiser(make_policy(self.policy), self.localiser)
        return record(policy, image_size=self.image_size)

    def parameters(self, played: Played) -> dict[str, Any]:
        """Of policy_node."""
        cameras = ", ".join(played.contract.cameras)
        return {
            "policy": self.policy,
            "cameras": f"[{cameras}]" if cameras else "['']",
            "localiser": self.localiser or "''",
        }
