"""A SmolVLA ensemble as a policy: chunks in a queue, actions out, uncertainty beside them.

The members look at the scene every `signals_every` steps; an action comes from a chunk that is
replaced every `n_action_steps` steps, as the checkpoint's adapter says. The action executed is the
mean over the members under the first noise: with one member it is what LeRobot's `select_action`
gives for that noise. All noise follows from the episode's seed and the step.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.policy.base import Decision, EpisodeStart, Observation
from salus_collector.policy.settings import PolicySettings
from salus_collector.policy.signals.embedding import EmbeddingStatistics
from salus_collector.policy.smolvla.chunk_queue import ChunkQueue
from salus_collector.policy.smolvla.chunk_signals import ChunkSignals, mean_plan
from salus_collector.policy.smolvla.ensemble import (
    STATISTICS,
    Members,
    Samples,
    Source,
    find_source,
    load_members,
)
from salus_data.action_space import ActionSpace
from salus_data.contract import Column
from salus_data.errors import FormatError, PolicyError

Array = NDArray[np.float64]

SAME_ACTION: Final = 1e-9
"""Difference up to which an executed action is the proposed one (it went through a message)."""


class SmolVLA:
    """Implements `salus_collector.policy.base.Policy` over members that are loaded already.

    Attributes:
        on_look: hears at every step what the members sampled, None where they did not look, and
            the observation.
    """

    signals: tuple[Column, ...] = ChunkSignals.columns
    on_look: Callable[[Samples | None, Observation], None] | None = None

    def __init__(
        self,
        name: str,
        members: Members,
        settings: PolicySettings | None = None,
        *,
        digest: str = "",
        statistics: EmbeddingStatistics | None = None,
    ) -> None:
        """Prepare to act.

        Raises:
            PolicyError: `statistics` are those of another policy.
        """
        self.name, self.digest = name, digest
        self.settings = settings or PolicySettings()
        self._members, self._adapter = members, members.adapter
        self._statistics = statistics
        self._queue = ChunkQueue(self._adapter.n_action_steps)
        self.reset(EpisodeStart(seed=0, task="", step_period=1 / 30))

    @property
    def action_space(self) -> ActionSpace:
        """What its actions mean."""
        return self._adapter.action_space

    @property
    def ensemble_size(self) -> int:
        """Its members."""
        return self._members.size

    @property
    def embedding_size(self) -> int:
        """Width of the hidden state; 0 where the settings do not ask for it."""
        return self._members.embedding_size if self.settings.embedding else 0

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras that it reads, none where it reads poses."""
        return tuple(self._adapter.cameras.values())

    @property
    def needs_images(self) -> bool:
        """Whether it reads any camera."""
        return bool(self._adapter.cameras)

    def reset(self, start: EpisodeStart) -> None:
        """Begin an episode; the same seed and observations give the same bytes."""
        self._start = start
        self._step = 0
        self._since_sampling = self.settings.signals_every
        self._proposed: Array | None = None
        self._executed: Array | None = None
        self._embedding: NDArray[np.float32] | None = None
        self._queue.drop()
        self._signals = self.new_signals(start.step_period)

    def act(self, observation: Observation) -> Decision:
        """The action of this step, what is left of its chunk, and the signals.

        Raises:
            PolicyError: the observation lacks something or has NaN, or the model answers with NaN.
        """
        samples = None
        if self._queue.empty or self._since_sampling >= self.settings.signals_every:
            samples = self._sample(observation)
            if self._queue.empty:
                self._queue.fill(mean_plan(samples))
            self._embedding = samples.embedding
            self._since_sampling = 0
        self._since_sampling += 1
        self._step += 1
        chunk, phase = self._queue.take()
        values, validity = self._signals.step(samples, observation)
        if self.on_look is not None:
            self.on_look(samples, observation)
        # What is executed after a message is compared with this, so it is within limits already.
        self._proposed = self.action_space.check(chunk[0], step=self._step - 1)
        return Decision(
            action=self._proposed,
            chunk=self._within(chunk),
            chunk_phase=phase,
            signals=values,
            validity=validity,
            embedding=self._embedding if self.settings.embedding else None,
            intended=self._signals.intended,
        )

    def _within(self, chunk: Array) -> Array:
        limited: Array = np.clip(chunk, self.action_space.low, self.action_space.high)
        return limited

    def executed(self, action: Array) -> None:
        """Hear what was executed; another action than the proposed one makes the chunk void."""
        self._executed = np.asarray(action, dtype=np.float64)
        if self._proposed is None or np.abs(self._executed - self._proposed).max() > SAME_ACTION:
            self._queue.drop()

    def replan(self) -> None:
        """Drop what is left of the chunk; the next action comes from a new one."""
        self._queue.drop()

    def new_signals(self, step_period: float) -> ChunkSignals:
        """What computes the signals of an episode with steps that many seconds apart."""
        return ChunkSignals(self.action_space, step_period, self._statistics)

    def embed(self, observation: Observation, executed: Array | None) -> NDArray[np.float32]:
        """The hidden state (E,) on an observation after `executed` (D,), without acting."""
        self._executed = executed
        embedding = self._sample(observation).embedding
        self._step += 1  # the next one gets noise of its own
        return embedding

    def _sample(self, observation: Observation) -> Samples:
        inputs = self.inputs(observation)
        shape = self._members.noise_shape(self.settings.noises)
        sequence = np.random.SeedSequence(self._start.seed, spawn_key=(2, self._step))
        noise = np.random.default_rng(sequence).standard_normal(shape, dtype=np.float32)
        samples = self._members.sample(inputs, noise)
        if not np.isfinite(samples.actions).all():
            raise PolicyError(
                f"policy {self.name} answers step {self._step} with actions that are not finite, "
                f"from observation.state {np.round(inputs['observation.state'].numpy(), 4)}"
            )
        return samples

    def inputs(self, observation: Observation) -> dict[str, Any]:
        """What LeRobot's pre-processor takes: `observation.state`, the images and the task.

        Raises:
            PolicyError: the observation lacks something or has NaN.
        """
        import torch

        try:
            state = self._adapter.vector(observation, self._executed)
        except FormatError as error:
            raise PolicyError(f"policy {self.name} at step {self._step}: {error}") from error
        inputs: dict[str, Any] = {
            "observation.state": torch.from_numpy(state.astype(np.float32)),
            "task": self._start.task,
        }
        for feature, camera in self._adapter.cameras.items():
            image = observation.get(f"image_{camera}")
            if image is None:
                raise PolicyError(
                    f"policy {self.name} reads camera {camera!r} ({feature}), which the "
                    "observation lacks; give images (--image-size above 0) and that camera"
                )
            pixels = torch.from_numpy(np.array(image))  # from the wire it is read-only
            inputs[feature] = pixels.permute(2, 0, 1).float() / 255
        return inputs


def load_smolvla(name: str, settings: PolicySettings | None = None) -> SmolVLA:
    """A policy from an ensemble folder, a checkpoint folder, a hub id, or several with commas.

    Raises:
        PolicyError: it cannot be loaded; says what to do.
    """
    import torch

    from salus_collector.policy.smolvla.embedding_fit import read_statistics

    settings = settings or PolicySettings()
    torch.set_num_threads(settings.threads)
    source = find_source(name)
    members = load_members(
        source, device=settings.device, dtype=settings.dtype, adapter=settings.adapter
    )
    statistics = read_statistics(source.folder or source.checkpoints[0])
    return SmolVLA(
        source.name,
        members,
        settings,
        digest=source_digest(source, settings),
        statistics=statistics,
    )


def source_digest(source: Source, settings: PolicySettings) -> str:
    """SHA-256 of weights, configurations, adapters, statistics and settings: 16 hex digits."""
    digest = hashlib.sha256(f"{settings.dtype} {settings.noises} {settings.signals_every}".encode())
    files = [
        path
        for folder in source.checkpoints
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".json", ".safetensors")
    ]
    own = [source.folder / STATISTICS] if source.folder else []
    for path in (*files, *source.experts, *(path for path in own if path.is_file())):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
