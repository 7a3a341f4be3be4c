"""Recorded episodes with the signals of smaller ensembles: one new store for each size."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from salus_collector.policy.base import Policy
from salus_collector.resampling import Resampler
from salus_data.contract import Contract
from salus_data.errors import PolicyError
from salus_data.schema import IMAGE_PREFIX, LABELS, VALID
from salus_data.store import Store
from salus_data.view import StoreView
from salus_data.writer import StoreWriter

COMMIT_EVERY: Final = 16
"""Episodes that are written together; what an interruption costs at most."""


def check_store(policy: Policy, store: Store) -> None:
    """Refuse a store whose episodes another policy acted in, or that lacks what the policy reads.

    Raises:
        PolicyError: it is such a store; names it.
    """
    contract = store.contract
    if contract.policy_digest != policy.digest:
        raise PolicyError(
            f"{store.path}: recorded with policy {contract.policy or 'unknown'} of digest "
            f"{contract.policy_digest or 'unknown'}, {policy.name} has {policy.digest} (weights, "
            "--noises, --signals-every and the localiser count); give the one that was recorded"
        )
    needed = getattr(policy, "cameras", ()) if policy.needs_images else ()
    if missing := [f"image_{c}" for c in needed if f"image_{c}" not in store.names]:
        raise PolicyError(
            f"{store.path}: has no {', '.join(missing)}, which policy {policy.name} looks at; "
            "collect without --drop-images"
        )


def resampled_contract(contract: Contract, size: int) -> Contract:
    """The contract of the recorded episodes with the signals of so many members, without images.

    A smaller ensemble is another policy to who trusts its signals, so its digest is another.
    """
    digest = contract.policy_digest
    if size != contract.ensemble_size:
        digest = hashlib.sha256(f"{digest} first {size}".encode()).hexdigest()[:16]
    return dataclasses.replace(contract, cameras=(), ensemble_size=size, policy_digest=digest)


def write_resampled(
    view: StoreView,
    resampler: Resampler,
    paths: Mapping[int, Path],
    *,
    command: str,
    episodes: int | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> int:
    """Write every episode that one of the new stores lacks; those that have it are left alone.

    Args:
        view: recorded episodes that passed `check_store`.
        resampler: for the sizes in `paths`.
        paths: the new store of each size, created or appended to.
        command: how they are made, for their provenance.
        episodes: only the first so many, by index; None for all.
        progress: hears (episodes done, episodes in all).

    Returns:
        How many episodes each new store is to have now.

    Raises:
        ContractMismatchError: a store at `paths` is of other episodes.
        FormatError: two episodes of the view have the same index.
        PolicyError: the policy proposes something else than what was recorded.
        StoreWriteError: the disk refuses.
    """
    images = {name for name in view.names if name.startswith(IMAGE_PREFIX)}
    kept = [name for name in view.names if name not in images | {LABELS, VALID}]
    records = view.records[:episodes]
    with ExitStack() as stack:
        writers = {
            size: stack.enter_context(_opened(path, view, kept, size, command))
            for size, path in paths.items()
        }
        there = {size: writer.committed.copy() for size, writer in writers.items()}
        for number, record in enumerate(records):
            lacking = [size for size, indices in there.items() if record.index not in indices]
            if lacking:
                arrays = {name: view.read(name, number) for name in (*kept, *images)}
                found = resampler.episode(view.contract, record, arrays)
                rows = {name: arrays[name] for name in kept}
                for size in lacking:
                    values, validity = found[size]
                    own: dict[str, NDArray[Any]] = {
                        "signals": values,
                        "signal_validity": validity,
                    }
                    writers[size].hold(record, rows | own)
            if number % COMMIT_EVERY == COMMIT_EVERY - 1:
                for writer in writers.values():
                    writer.commit()
            progress(number + 1, len(records))
    return len(records)


def _opened(path: Path, view: StoreView, kept: list[str], size: int, command: str) -> StoreWriter:
    facts = [
        {"path": str(s.path), **{k: s.attributes.get(k) for k in ("provenance", "versions")}}
        for s in view.stores
    ]
    widths: dict[str, Any] = {
        f"{name}_size": view.stores[0].array(name).shape[1] if name in kept else 0
        for name in ("embedding", "sim_state")
    }
    return StoreWriter.open(
        path,
        resampled_contract(view.contract, size),
        images=None,
        provenance={"command": command, "resampled_from": facts},
        **widths,
    )
