"""Runs every arm of a study on the same seeds, in one process or several; it can go on later."""

import hashlib
import json
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salus.closed_loop.loop import WatchedLoop
from salus.closed_loop.rows import ARMS, OFF, RANDOM, SUPERVISED, Row, RowFile
from salus.closed_loop.timetable import Pool, Timetable
from salus_collector.perception.seeing import with_localiser, with_second_look
from salus_collector.plan import plan_episode
from salus_collector.policy.base import Policy
from salus_collector.policy.registry import make_policy
from salus_collector.policy.settings import PolicySettings
from salus_collector.sim.disturbance_config import load_mix
from salus_collector.sim.environment import PandaPickPlace
from salus_data.errors import ContractMismatchError, FormatError
from salus_data.yaml_file import read_yaml
from salus_predictor.model.reading import load_model
from salus_predictor.online.load import load_watched, model_folder
from salus_predictor.supervisor.config import SupervisorConfig, load_config
from salus_predictor.supervisor.core import Mode

FEW = 10
"""Below so many events a share of them says little."""


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
            "rules": _digest(rules),
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


def _digest(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def pool_of(rows: Iterable[Row]) -> Pool:
    """What the supervised arm did: its spells, and how often it began one."""
    spells: list[tuple[str, int]] = []
    free = 0
    for row in sorted(rows, key=lambda row: row.index):
        spells += [(spell.kind, spell.steps) for spell in row.spells]
        free += max(0, row.steps - row.idle - sum(spell.steps for spell in row.spells))
    return Pool(tuple(spells), len(spells) / max(free + len(spells), 1))


def pool_digest(pool: Pool) -> str:
    """Names a pool: rows drawn from another one are run again."""
    return _digest([pool.spells, pool.rate])


# --- in the process that runs episodes ------------------------------------------------------------


class Runner:
    """The loops of all arms, made when first needed; one a process.

    Raises:
        ContractMismatchError: the model does not fit the policy.
    """

    def __init__(self, settings: StudySettings) -> None:
        self._settings = settings
        self._config: SupervisorConfig = load_config(settings.rules)
        self._mix = load_mix(settings.disturbances)
        self._loops: dict[str, WatchedLoop] = {}
        self._environments: list[PandaPickPlace] = []
        self._timetable: Timetable | None = None
        self._pool = ""

    def run(self, arm: str, index: int, pool: Pool | None) -> Row:
        """One episode of one arm."""
        digest = ""
        if pool is not None:
            digest = pool_digest(pool)
            if digest != self._pool:
                self._loops.pop(RANDOM, None)
                self._timetable, self._pool = Timetable(pool), digest
        loop = self._loops.get(arm)
        if loop is None:
            loop = self._loops[arm] = self._make(arm)
        return Row.of(arm, loop.run(index), digest)

    def policy(self, arm: str) -> Policy:
        """The policy; where nobody reads its signals, it samples no more than it acts on."""
        own = self._settings
        settings = PolicySettings(noises=own.noises, signals_every=own.signals_every)
        if arm != SUPERVISED:
            settings = PolicySettings(noises=1, signals_every=1_000_000)
        policy = make_policy(own.policy, settings)
        if arm != OFF:
            policy = with_second_look(policy, own.second_look)
        return with_localiser(policy, own.localiser) if arm == SUPERVISED else policy

    def close(self) -> None:
        """Free what renders."""
        for environment in self._environments:
            environment.close()

    def _make(self, arm: str) -> WatchedLoop:
        policy, model = self.policy(arm), None
        options: dict[str, Any] = {"aftermath": self._settings.aftermath}
        mode = Mode.PASS_THROUGH if arm == OFF else Mode.ACTIVE
        if arm == SUPERVISED:
            model = load_watched(self._settings.model)
        elif arm == RANDOM:
            assert self._timetable is not None
            timetable = self._timetable
            options["demands"] = lambda *_: timetable
            options["on_start"] = timetable.prepare
        size = self._settings.image_size if policy.needs_images else 0
        environment = PandaPickPlace(image_size=size)
        self._environments.append(environment)
        return WatchedLoop(
            environment,
            self._mix,
            self._settings.seed,
            policy,
            model,
            self._config,
            mode,
            **options,
        )


_runner: Runner | None = None


def _start(settings: StudySettings) -> None:
    global _runner
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _one_thread()
    _runner = Runner(settings)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _run(arm: str, index: int, pool: Pool | None) -> Row:
    if _runner is None:
        raise ContractMismatchError("the worker was not prepared")
    return _runner.run(arm, index, pool)


# --- in the process that was asked ----------------------------------------------------------------


def run_study(
    settings: StudySettings,
    path: Path,
    *,
    workers: int = 1,
    on_row: Callable[[Row], None] | None = None,
    on_plan: Callable[[int], None] | None = None,
) -> list[Row]:
    """Run what is missing of a study; every row is kept in `path` as soon as it is there.

    Args:
        settings: of the study.
        path: JSON lines.
        workers: processes.
        on_row: called for every new row.
        on_plan: called with the number of rows that were there.

    Returns:
        The rows of all arms, for the indices below `settings.episodes`.

    Raises:
        SalusError: something asked for does not exist or fit, or the file is another study's.
    """
    settings.require_unseen()
    file = RowFile(path, settings.identity())
    wanted = range(settings.episodes)
    keep = {key: row for key, row in file.rows.items() if row.index in wanted}
    pool = pool_of(row for row in keep.values() if row.arm == SUPERVISED)
    whole = sum(row.arm == SUPERVISED for row in keep.values()) == len(wanted)
    digest = pool_digest(pool) if whole else ""
    file.drop([k for k, row in keep.items() if row.arm == RANDOM and row.pool != digest])
    if on_plan is not None:
        on_plan(sum(row.index in wanted for row in file.rows.values()))
    # The random arm draws from what the whole supervised arm did.
    for arms in ((OFF, SUPERVISED), (RANDOM,)):
        todo = [(arm, i) for i in wanted for arm in arms if (arm, i) not in file.rows]
        if arms == (RANDOM,):
            pool = pool_of(file.rows[SUPERVISED, i] for i in wanted)
        for row in _rows(settings, todo, pool if arms == (RANDOM,) else None, workers):
            file.add(row)
            if on_row is not None:
                on_row(row)
    return [file.rows[arm, i] for i in wanted for arm in ARMS]


def _rows(
    settings: StudySettings, todo: list[tuple[str, int]], pool: Pool | None, workers: int
) -> Iterator[Row]:
    if workers == 1 or len(todo) < 2:
        _one_thread()
        runner = Runner(settings)
        try:
            for arm, index in todo:
                yield runner.run(arm, index, pool)
        finally:
            runner.close()
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start, (settings,)) as executor:
        waiting: set[Future[Row]] = set()
        jobs = iter(todo)
        try:
            while True:
                while len(waiting) < 2 * workers and (job := next(jobs, None)) is not None:
                    waiting.add(executor.submit(_run, *job, pool))
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


def warnings_of(settings: StudySettings, document: dict[str, Any]) -> list[str]:
    """What a reader has to know before the figures."""
    watched = load_watched(settings.model)
    policy = Runner(settings).policy(SUPERVISED)
    lines = []
    if (policy.name, policy.digest) not in watched.policies:
        lines.append(
            f"the model was not calibrated on policy {policy.name} {policy.digest}: by default "
            "(`auto`) the supervisor would only have told what it would do"
        )
    if n := document["untouched_pairs_that_differ"]:
        lines.append(f"{n} pairs without an intervention differ: the pairing does not hold")
    collisions = document["arms"][OFF]["ends"]["collision"]
    if collisions < FEW:
        lines.append(f"only {collisions} collisions without a supervisor: their figures are loose")
    if document["discarded"]:
        lines.append(f"{document['discarded']} seeds are left out, an episode was discarded")
    return lines
