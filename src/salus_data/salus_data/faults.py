"""Kill a writer at random moments and see that nothing committed is ever lost.

Run by the tests with a few kills and by `salus bench faults` with many. The writer is a process of
its own that appends episodes as fast as it can; each episode's content follows from its index, so
that every byte can be checked afterwards.
"""

import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.action_space import DELTA_EE
from salus_data.contract import Column, Contract
from salus_data.episode import EpisodeRecord
from salus_data.errors import SalusError
from salus_data.labels import compute_horizon_labels
from salus_data.layout import PERCEIVED, STATE
from salus_data.schema import LABELS, VALID
from salus_data.store import Store
from salus_data.types import FailureType, Outcome, SupervisorStatus, Validity
from salus_data.writer import StoreWriter

CONTRACT: Final = Contract(
    step_period=1 / 30,
    action_space=DELTA_EE,
    state=STATE,
    perceived=PERCEIVED,
    signals=(Column("effort", "N"), Column("speed", "m/s", optional=True)),
    cameras=("front",),
    task="fault injection",
    policy="noise",
)
IMAGES: Final = {"front": (32, 32)}

_READY: Final = b"ready"
_START_SECONDS: Final = 60.0
_LONGEST_RUN_SECONDS: Final = 0.4


class LostEpisodeError(SalusError, AssertionError):
    """Raised when a store does not hold what its writer had committed."""


@dataclass(frozen=True)
class FaultReport:
    """Kills survived; `interrupted` of them struck while an episode was being written."""

    kills: int
    interrupted: int
    committed_episodes: int
    seconds: float


def noise_episode(index: int) -> tuple[EpisodeRecord, dict[str, NDArray[Any]]]:
    """An episode that follows from its index alone: 20 to 60 rows of every array."""
    generator = np.random.default_rng(index)
    n_rows = int(generator.integers(20, 61))
    failed = bool(generator.integers(2))
    state = generator.normal(size=(n_rows, len(STATE)))
    action = generator.uniform(-0.01, 0.01, size=(n_rows, DELTA_EE.size))
    signals = generator.normal(size=(n_rows, 2)).astype(np.float32)
    validity = np.full((n_rows, 2), Validity.VALID, dtype=np.uint8)
    signals[0, 1], validity[0, 1] = np.nan, Validity.WARMING_UP
    record = EpisodeRecord(
        id=f"0-{index}",
        index=index,
        seed=index,
        outcome=Outcome.FAILURE if failed else Outcome.SUCCESS,
        failure_type=int(generator.integers(len(FailureType))) if failed else -1,
        onset_step=n_rows - 4,
        confirm_step=n_rows - 1,
    )
    return record, {
        "stamp": 1 + np.arange(n_rows, dtype=np.int64) * 33_333_333,
        "state": state,
        "action": action,
        "action_proposed": action,
        "supervisor_state": np.full(n_rows, SupervisorStatus.NORMAL, dtype=np.uint8),
        "signals": signals,
        "signal_validity": validity,
        "perceived": np.full((n_rows, len(PERCEIVED)), np.nan),
        "chunk_phase": np.full(n_rows, -1, dtype=np.int16),
        "image_front": generator.integers(0, 256, (n_rows, 32, 32, 3), dtype=np.uint8),
    }


def write_noise(path: Path, told: Connection) -> None:
    """Append noise episodes until killed, telling each index once it is committed."""
    with StoreWriter.open(path, CONTRACT, images=IMAGES, provenance={}) as writer:
        told.send_bytes(_READY)
        while True:
            index = len(writer.committed)
            writer.append(*noise_episode(index))
            told.send_bytes(str(index).encode())


def kill_writer(path: Path, kills: int, seed: int = 0) -> FaultReport:
    """Start a writer and kill it (SIGKILL), `kills` times on one store, checking after each.

    Raises:
        LostEpisodeError: a committed episode is missing or not what was written.
        FormatError: the store does not open.
    """
    generator = np.random.default_rng(seed)
    began = time.monotonic()
    interrupted = 0
    checked = 0
    for kill in range(kills):
        # Every other writer commits first, or a busy machine would let none get that far.
        seconds = float(generator.uniform(0.0, _LONGEST_RUN_SECONDS))
        promised = _run_and_kill(path, seconds, commits=kill % 2 == 0)
        store = Store.open(path)
        if len(store) <= promised:
            raise LostEpisodeError(
                f"{path}: episode {promised} was committed, the store holds {len(store)}"
            )
        # Longer arrays, or records without an end, are the open episode that was cut short.
        interrupted += any(store.array(name).shape[0] != store.n_rows for name in store.names)
        check_noise(store, checked)
        checked = len(store)
    check_noise(Store.open(path), 0)
    return FaultReport(kills, interrupted, checked, time.monotonic() - began)


def check_noise(store: Store, first: int) -> None:
    """Raise LostEpisodeError unless the episodes from `first` on are bitwise what was written."""
    labels, valid = compute_horizon_labels(
        store.ends, store.records, CONTRACT.horizons, len(CONTRACT.failure_types)
    )
    for episode in range(first, len(store)):
        record, arrays = noise_episode(episode)
        rows = store.rows(episode)
        expected = arrays | {LABELS: labels[rows], VALID: valid[rows]}
        if store.records[episode].to_json() != record.to_json():
            raise LostEpisodeError(f"{store.path}: the record of episode {episode} has changed")
        for name, values in expected.items():
            if store.read(name, episode).tobytes() != values.tobytes():
                raise LostEpisodeError(f"{store.path}: {name} of episode {episode} has changed")


def _run_and_kill(path: Path, seconds: float, *, commits: bool) -> int:
    """Let a writer run for some time, with `commits` after its first episode.

    Returns:
        The last index that it told as committed, or -1.
    """
    # The server imports everything once; a writer forked from it starts in milliseconds.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    ours, theirs = processes.Pipe(duplex=False)
    writer = processes.Process(target=write_noise, args=(path, theirs), daemon=True)
    writer.start()
    theirs.close()
    try:
        if not ours.poll(_START_SECONDS) or ours.recv_bytes() != _READY:
            raise LostEpisodeError(f"{path}: the writer did not start")
        if commits and not ours.poll(_START_SECONDS):
            raise LostEpisodeError(f"{path}: the writer committed nothing")
        time.sleep(seconds)
        if not writer.is_alive():
            raise LostEpisodeError(f"{path}: the writer ended by itself; its error is above")
    finally:
        writer.kill()
        writer.join()
    promised = -1
    try:
        while True:
            promised = int(ours.recv_bytes())
    except EOFError:
        return promised
    finally:
        ours.close()
