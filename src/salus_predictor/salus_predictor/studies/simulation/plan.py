"""What the study trains: one job a model, by name."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.errors import UnknownNameError
from salus_data.signals import ROBOT_SIGNALS
from salus_data.types import Outcome
from salus_predictor.model.inputs import (
    EMBEDDING,
    INPUT_SETS,
    PERCEIVED,
    PLANNED,
    SEEN,
    choose_inputs,
    named_inputs,
    reads_embedding,
)
from salus_predictor.steps import StepData
from salus_predictor.training.options import TrainOptions

SECTIONS: Final = ("seeds", "inputs", "time", "data", "families", "signals", "baselines")
"""Parts of the study, in the order in which they are run."""

SHARES: Final = {"quarter": 0.25, "half": 0.5}
"""Parts of the training episodes that the section `data` trains on, beside all of them."""


@dataclass(frozen=True)
class Job:
    """One model to train and score.

    Attributes:
        name: of its file.
        section: that it belongs to first.
        options: of the training.
        without: episodes with this family are left out of training; empty for none.
        share: of the training episodes.
    """

    name: str
    section: str
    options: TrainOptions
    without: str = ""
    share: float = 1.0


@dataclass(frozen=True)
class Plan:
    """All jobs of a study.

    Attributes:
        seeds: of the models whose figures are the result.
        main: their options but for the seed.
        kind: of the models of all other sections.
        sections: that are run.
    """

    seeds: tuple[int, ...]
    main: TrainOptions
    kind: str
    sections: tuple[str, ...] = SECTIONS

    def __post_init__(self) -> None:
        for section in self.sections:
            if section not in SECTIONS:
                raise UnknownNameError("--only", section, SECTIONS)

    @property
    def side(self) -> TrainOptions:
        """Options of the models of all other sections."""
        return replace(self.main, kind=self.kind, seed=self.seeds[0])

    def full(self) -> Job:
        """The model that the other sections compare with: all episodes, signals of the result."""
        return Job(self.named(self.main.inputs), "inputs", self.side)

    def named(self, inputs: str) -> str:
        """The name of a model of the other sections that reads these signals."""
        sets = named_inputs(inputs)
        known = all(name in INPUT_SETS or name == EMBEDDING for name in sets)
        return f"{self.kind}-{'-'.join(sets) if known else 'listed'}"

    def jobs(self, train: StepData, test: StepData) -> list[Job]:
        """Every job of the sections, each once; `train` and `test` say which families there are."""
        full = self.full()
        found: list[Job] = []
        for section in self.sections:
            if section == "seeds":
                found += [
                    Job(f"main-seed{seed}", section, replace(self.main, seed=seed))
                    for seed in self.seeds
                ]
            elif section != "baselines":
                found += [full, *self._section(section, train, test)]
        return list({job.name: job for job in found}.values())

    def _section(self, section: str, train: StepData, test: StepData) -> list[Job]:
        full = self.full()
        if section in ("inputs", "time"):
            sets = dict.fromkeys((*INPUT_SETS, self.main.inputs))
            if section == "inputs" and train.embedding is not None and test.embedding is not None:
                sets |= dict.fromkeys([f"{name},{EMBEDDING}" for name in ("core", "perceived")])
            plain = [Job(self.named(i), "inputs", replace(self.side, inputs=i)) for i in sets]
            if section == "inputs":
                return plain
            timed = [replace(job.options, with_time=True) for job in plain]
            names = [f"{job.name}-time" for job in plain]
            return plain + [Job(n, section, o) for n, o in zip(names, timed, strict=True)]
        if section == "data":
            return [
                Job(f"{full.name}-{name}", section, full.options, share=share)
                for name, share in SHARES.items()
            ]
        if section == "families":
            return [
                Job(f"{full.name}-without-{family}", section, full.options, without=family)
                for family in families(train, test)
            ]
        groups = signal_groups(train.contract, self.main.inputs)
        return [
            Job(
                f"{full.name}-no-{group}",
                section,
                replace(full.options, inputs=_others(groups, group)),
            )
            for group in groups
            if len(groups) > 1
        ]


def families(train: StepData, test: StepData) -> list[str]:
    """Families of disturbances that training has and that some failed test episode has."""
    known = {family for record in train.records for family in record.disturbance}
    failed = {
        family
        for record in test.records
        if record.outcome is Outcome.FAILURE
        for family in record.disturbance
    }
    return sorted(known & failed)


def with_family(data: StepData, family: str) -> NDArray[np.int64]:
    """Numbers of the episodes that have the family."""
    return np.flatnonzero([family in record.disturbance for record in data.records])


def training_part(data: StepData, job: Job) -> StepData:
    """The episodes that a job may train and validate on."""
    kept = np.ones(len(data), bool)
    if job.without:
        kept[with_family(data, job.without)] = False
    if job.share < 1:
        # Whole seeds, and the smaller part inside the larger one.
        seeds = np.unique([record.seed for record in data.records])
        drawn = np.random.default_rng(0x5A17).permutation(seeds)
        chosen = drawn[: max(1, round(job.share * len(seeds)))]
        kept &= np.isin([record.seed for record in data.records], chosen)
    return data if kept.all() else data.subset(np.flatnonzero(kept))


def signal_groups(contract: Contract, inputs: str) -> dict[str, tuple[str, ...]]:
    """The inputs by what they are about; a group without any is left out."""
    robot = {signal.name for signal in ROBOT_SIGNALS} - set(PERCEIVED)

    def group(name: str) -> str:
        if name.removeprefix(SEEN).startswith(PLANNED):
            return "plan"
        if name.startswith(SEEN):
            return "localiser"
        if name in PERCEIVED:
            return "objects"
        return "robot" if name in robot else "policy"

    names = choose_inputs(contract, inputs)
    order = ("policy", "plan", "robot", "objects", "localiser")
    found = {key: tuple(name for name in names if group(name) == key) for key in order}
    if reads_embedding(inputs):
        found[EMBEDDING] = (EMBEDDING,)
    return {key: members for key, members in found.items() if members}


def _others(groups: dict[str, tuple[str, ...]], left_out: str) -> str:
    return ",".join(
        name for group, members in groups.items() if group != left_out for name in members
    )
