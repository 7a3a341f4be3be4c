"""The process that runs episodes of a study: the loops of all arms, and how a worker ends."""

import multiprocessing
import os
import signal
import threading
from typing import Any

from salus.closed_loop.loop import WatchedLoop
from salus.closed_loop.rows import OFF, RANDOM, SUPERVISED, Row
from salus.closed_loop.settings import StudySettings
from salus.closed_loop.timetable import Pool, Timetable, pool_digest
from salus_collector.perception.seeing import with_localiser, with_second_look
from salus_collector.policy.base import Policy
from salus_collector.policy.registry import make_policy
from salus_collector.policy.settings import PolicySettings
from salus_collector.sim.disturbance_config import load_mix
from salus_collector.sim.environment import PandaPickPlace
from salus_data.errors import ContractMismatchError
from salus_predictor.online.load import load_watched
from salus_predictor.supervisor.config import SupervisorConfig, load_config
from salus_predictor.supervisor.core import Mode


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
        settings = PolicySettings(noises=1, signals_every=1_000_000)
        if arm == SUPERVISED:
            settings = PolicySettings(
                noises=own.noises,
                signals_every=own.signals_every,
                embedding=load_watched(own.model).embedding_size > 0,
            )
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


def prepare_worker(settings: StudySettings) -> None:
    """What a worker process does before its first episode."""
    global _runner
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    one_thread()
    _runner = Runner(settings)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def one_thread() -> None:
    """Keep torch to one thread: the other cores have workers of their own."""
    import torch

    torch.set_num_threads(1)


def run_in_worker(arm: str, index: int, pool: Pool | None) -> Row:
    """One episode of one arm, in a worker process.

    Raises:
        ContractMismatchError: the model does not fit the policy.
    """
    if _runner is None:
        raise ContractMismatchError("the worker was not prepared")
    return _runner.run(arm, index, pool)
