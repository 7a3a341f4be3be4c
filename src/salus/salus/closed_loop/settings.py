"""What decides a study."""

from dataclasses import dataclass
from typing import Any

from salus.closed_loop.rows import digest
from salus_collector.plan import plan_episode
from salus_collector.policy.settings import PolicySettings
from salus_collector.sim.disturbance_config import load_mix
from salus_data.errors import FormatError
from salus_data.yaml_file import read_yaml
from salus_predictor.model.reading import load_model
from salus_predictor.online.load import load_watched, model_folder


@dataclass(frozen=True)
class StudySettings:
    """One study.

    Attributes:
        policy: by name, or checkpoints; paths absolute.
        model: folder of the predictor, or `shipped`.
        rules: YAML file of the supervisor.
        disturbances: `none`, a family or a YAML file.
        episodes: paired seeds.
        seed: root seed.
        localiser: adds signals of what the cameras show; empty: none.
        second_look: a localiser by which the policy acts once it was interfered with; empty: it
            goes on acting on what it is told.
        image_size: side of the images [px], where anything reads them.
        aftermath: how long a collision is followed beyond its confirmation [s].
        noises, signals_every: of a learnt policy's signals, in the supervised arm.
    """

    policy: str
    model: str
    rules: str
    disturbances: str
    episodes: int = 200
    seed: int = 9_000_000
    localiser: str = ""
    second_look: str = ""
    image_size: int = 256
    aftermath: float = 0.5
    noises: int = 4
    signals_every: int = PolicySettings.signals_every

    def identity(self) -> dict[str, Any]:
        """What decides an episode of the study, and so what rows belong together."""
        watched = load_watched(self.model)
        rules = read_yaml(self.rules)
        return {
            "policy": self.policy,
            "model_id": watched.model_id,
            "calibration_id": watched.calibration_id,
            "rules": digest(rules),
            "mix": load_mix(self.disturbances).digest(),
            "seed": self.seed,
            "localiser": self.localiser,
            "second_look": self.second_look,
            "image_size": self.image_size,
            "aftermath": self.aftermath,
            "noises": self.noises,
            "signals_every": self.signals_every,
        }

    def require_unseen(self) -> None:
        """Refuse seeds that the model was trained or calibrated on.

        Raises:
            FormatError: names the first.
        """
        known = load_model(model_folder(self.model)).episodes
        seen = {*known.train, *known.validation}
        mix = load_mix(self.disturbances)
        for index in range(self.episodes):
            plan = plan_episode(self.seed, index, mix)
            if plan.seed in seen:
                raise FormatError(
                    f"{self.model} has seen episode {plan.id} in training or validation; give "
                    "another --seed"
                )
