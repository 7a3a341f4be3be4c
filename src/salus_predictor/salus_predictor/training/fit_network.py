"""Fits one network: whole episodes a batch, one cycle of the learning rate, the best epoch kept."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from salus_predictor.model.features import WINDOWS
from salus_predictor.model.hazards import cumulative_incidence
from salus_predictor.model.network import Network
from salus_predictor.training.batch import Batch, Rows
from salus_predictor.training.checkpoint import Checkpoint
from salus_predictor.training.checks import constant_outputs, refuse, worthless
from salus_predictor.training.examples import Examples
from salus_predictor.training.halves import PARTS, Each, halves
from salus_predictor.training.listener import EpochReport, Listener
from salus_predictor.training.loss import OUTCOME_WEIGHT, hazard_loss, outcome_loss
from salus_predictor.training.metrics import Watched, watch
from salus_predictor.training.module import HazardModule, feature_scale
from salus_predictor.training.options import TrainOptions

Array = NDArray[np.float64]

SORTED_TOGETHER = 8
"""Batches' worth of episodes that are sorted by length, so that little is padded."""

CLIP_NORM = 1.0
WARM_UP = 0.1
"""Share of the updates in which the learning rate rises."""

GRACE_UPDATES = 200
"""Updates after which a network must have learnt something; outputs that are constant are refused
after the first epoch."""


@dataclass
class Progress:
    """How far a fit has come; everything that a resumed one needs beside the tensors."""

    epoch: int = 0
    updates: int = 0
    best_figure: float = -math.inf
    best_epoch: int = 0
    first_loss: float = math.nan
    checked: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


class NetworkFit:
    """One network and its optimiser."""

    def __init__(
        self, train: Examples, validation: Examples, options: TrainOptions, number: int
    ) -> None:
        self._options, self._number = options, number
        self._train, self._validation = train, validation
        self._mean, self._scale = feature_scale(train.features)
        self._rows = Rows(train, self._mean, self._scale)
        self._held = Rows(validation, self._mean, self._scale)
        self._seed(0)
        self.module = HazardModule(
            train.features.shape[1],
            train.horizons,
            train.types,
            width=options.width,
            state=options.width,
            dropout=options.dropout,
        )
        self.module.start_from(train.hazard_rates(), train.outcome_rates())
        self._best = {k: v.clone() for k, v in self.module.state_dict().items()}
        self._optimiser = torch.optim.AdamW(
            self.module.parameters(),
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
            fused=True,
        )
        self.progress = Progress()
        self._budget = options.batch_size * WINDOWS[0]
        self._updates_per_epoch = len(list(self._batches(0)))

    @property
    def part(self) -> str:
        """What is trained, in words."""
        return f"network {self._number + 1}/{self._options.networks}"

    def run(
        self,
        listener: Listener,
        checkpoint: Checkpoint | None = None,
        *,
        force: bool = False,
        forced: list[str] | None = None,
    ) -> Network:
        """Train to the end, from where the checkpoint stands.

        Raises:
            RefusedError: what is learnt is worth nothing; says what was seen.
        """
        if checkpoint is not None:
            checkpoint.restore(self, self._number)
        with halves() as each:
            while not self._finished():
                report, watched = self._epoch(each)
                listener.epoch(report)
                if self._validation.dated and not self.progress.checked:
                    refuse(self._doubts(report, watched), force=force, forced=forced)
                if checkpoint is not None:
                    checkpoint.keep(self, self._number)
        self.module.load_state_dict(self._best)
        return Network.of(
            self.module.tensors(self._mean, self._scale),
            self._train.horizons,
            self._train.types,
            self._train.features.shape[1],
        )

    def _doubts(self, report: EpochReport, watched: Watched) -> list[str]:
        """Why what was learnt so far is worth nothing; whether it is, is asked once."""
        self.progress.checked = self.progress.updates >= GRACE_UPDATES
        reasons = constant_outputs(report.predictions)
        if self.progress.checked:
            reasons = reasons or worthless(self._train, watched, report, self.progress.first_loss)
        return reasons

    def tensors(self) -> dict[str, Tensor]:
        """Everything that is learnt, for a checkpoint."""
        found = {f"now.{k}": v for k, v in self.module.state_dict().items()}
        found |= {f"best.{k}": v for k, v in self._best.items()}
        for number, state in self._optimiser.state_dict()["state"].items():
            found |= {f"adam.{number}.{k}": v for k, v in state.items()}
        return found

    def restore(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        """The inverse of `tensors`."""
        self.progress = progress
        for prefix, target in (("now.", self.module.state_dict()), ("best.", self._best)):
            for name, value in target.items():
                value.copy_(tensors[prefix + name])
        state = self._optimiser.state_dict()
        state["state"] = {}
        for name, value in tensors.items():
            if name.startswith("adam."):
                _, number, key = name.split(".", 2)
                state["state"].setdefault(int(number), {})[key] = value.clone()
        self._optimiser.load_state_dict(state)

    def _finished(self) -> bool:
        progress = self.progress
        waited = progress.epoch - progress.best_epoch
        return progress.epoch >= self._options.epochs or waited >= self._options.patience

    def _epoch(self, each: Each) -> tuple[EpochReport, Watched]:
        progress = self.progress
        self._seed(1 + progress.epoch)
        losses = []
        for episodes in self._batches(progress.epoch):
            for group in self._optimiser.param_groups:
                group["lr"] = self._options.learning_rate * self._schedule(progress.updates)
            losses.append(self._gradient(episodes, each))
            clip_grad_norm_(self.module.parameters(), CLIP_NORM)
            self._optimiser.step()
            progress.updates += 1
        progress.epoch += 1
        report, watched = self._score(float(np.mean(losses)), each)
        if progress.epoch == 1:
            progress.first_loss = report.loss
        figure = report.macro_ap if self._validation.dated else -report.outcome_loss
        if figure > progress.best_figure:
            progress.best_figure, progress.best_epoch = figure, progress.epoch
            self._best = {k: v.clone() for k, v in self.module.state_dict().items()}
        progress.history.append({"loss": report.loss, "ap": report.macro_ap, "f1": report.macro_f1})
        return report, watched

    def _gradient(self, episodes: NDArray[np.int64], each: Each) -> float:
        """Leave the gradient of a batch at the parameters; its loss."""
        parts = [part for k in range(PARTS) if len(part := episodes[k::PARTS])]
        # Drawn here: two threads would draw in any order.
        factors = [self.module.left_out(len(part)) for part in parts]
        rows = max(1, int(self._rows.at_risk[episodes].sum()))
        asked = max(1, int(self._rows.asked[episodes].sum()))
        parameters = list(self.module.parameters())

        def work(part: NDArray[np.int64], factors: Tensor) -> tuple[float, tuple[Tensor, ...]]:
            loss = self._loss(self._rows.batch(part), factors, rows, asked)
            # Not `backward`: two threads would add to the same tensors in any order.
            return loss.item(), torch.autograd.grad(loss, parameters)

        losses, gradients = zip(*each(work, parts, factors), strict=True)
        for parameter, *found in zip(parameters, *gradients, strict=True):
            parameter.grad = sum(found[1:], found[0])
        return float(sum(losses))

    def _loss(self, batch: Batch, factors: Tensor, rows: int, asked: int) -> Tensor:
        """The share of a part in the loss of a whole batch with so many rows."""
        hazards, outcome = self.module(batch.features, factors)
        known = outcome_loss(outcome, batch.outcome) / asked
        if not self._train.dated:
            return known
        weight = self._options.failure_weight
        timed = hazard_loss(hazards, batch.risk, batch.at_risk, weight) / rows
        return timed + OUTCOME_WEIGHT * known

    def _score(self, loss: float, each: Each) -> tuple[EpochReport, Watched]:
        held = self._validation
        hazards, outcome = self._held.logits(self.module, each)
        probability = cumulative_incidence(hazards)
        watched = watch(held.data, probability, each)
        wanted = torch.from_numpy(held.targets.outcome)
        asked = max(1, int(self._held.asked.sum()))
        known = outcome_loss(torch.from_numpy(outcome.T), wanted).item() / asked
        quartiles = np.quantile(probability[:, -1], [0, 0.25, 0.5, 0.75, 1], axis=0).T
        dated = held.dated
        report = EpochReport(
            self.part,
            self.progress.epoch,
            self._options.epochs,
            loss,
            watched.macro_f1 if dated else math.nan,
            watched.macro_ap if dated else math.nan,
            known,
            quartiles,
            held.data.contract.failure_types,
        )
        return report, watched

    def _batches(self, epoch: int) -> Iterator[NDArray[np.int64]]:
        """Every episode once, in batches of similar length."""
        random = np.random.default_rng([self._options.seed, self._number, epoch])
        lengths = self._train.data.lengths
        order = random.permutation(len(lengths))
        size = max(1, round(self._budget / lengths.mean()))
        groups = np.array_split(order, max(1, round(len(order) / (size * SORTED_TOGETHER))))
        batches = [
            batch
            for group in groups
            for batch in np.array_split(
                group[np.argsort(lengths[group], kind="stable")], max(1, round(len(group) / size))
            )
        ]
        for number in random.permutation(len(batches)):
            yield batches[number]

    def _schedule(self, update: int) -> float:
        """Factor of the learning rate: up in a line, down in a cosine (Smith 2018)."""
        total = self._options.epochs * self._updates_per_epoch
        rise = max(1, round(WARM_UP * total))
        if update < rise:
            return (update + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * (update - rise) / max(1, total - rise))) + 1e-3

    def _seed(self, epoch: int) -> None:
        sequence = np.random.SeedSequence([self._options.seed, self._number, epoch, 7])
        torch.manual_seed(int(sequence.generate_state(1)[0]))
