"""Several stores into one."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path

from salus_data.contract import Contract
from salus_data.errors import ContractMismatchError, FormatError
from salus_data.schema import LABELS, VALID
from salus_data.swap import built_beside
from salus_data.view import StoreView
from salus_data.writer import StoreWriter


def merge_stores(
    stores: Sequence[Path],
    out: Path,
    *,
    renumber: bool = False,
    drop_images: bool = False,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> int:
    """Write the episodes of several stores into a new one, in the order of their index.

    Labels are computed anew from the records, which gives the same ones.

    Args:
        stores: stores, or folders of stores.
        out: the new store; must not exist.
        renumber: give the episodes new indices 0, 1, 2, ... in place of their own. Needed where
            collections with other seeds are merged, whose indices are the same.
        drop_images: leave the images out, as `salus collect --drop-images` does; training reads
            none.
        progress: hears (episodes written, episodes in all).

    Returns:
        The number of episodes.

    Raises:
        FormatError: `out` exists, a store cannot be read, or an id or index comes twice.
        ContractMismatchError: the stores do not have the same contract or arrays.
        StoreWriteError: the disk refuses.

    Whatever is raised, nothing is left at `out`.
    """
    if out.exists():
        raise FormatError(f"{out}: exists; give a new path")
    view = StoreView(stores)
    _require_equal(view)
    if not renumber:
        _require_new_indices(view)
    contract = replace(view.contract, cameras=()) if drop_images else view.contract
    shown = {f"image_{camera}" for camera in view.contract.cameras}
    left_out = {LABELS, VALID} | (shown if drop_images else set())
    names = [name for name in view.names if name not in left_out]
    images = {
        camera: (int(shape[1]), int(shape[2]))
        for camera in contract.cameras
        if f"image_{camera}" in names and (shape := view.stores[0].array(f"image_{camera}").shape)
    }
    sizes = {
        f"{name}_size": view.stores[0].array(name).shape[1] if name in names else 0
        for name in ("embedding", "sim_state")
    }
    facts = [
        {"path": str(s.path), **{k: s.attributes.get(k) for k in ("provenance", "versions")}}
        for s in view.stores
    ]
    with (
        built_beside(out) as staging,
        StoreWriter.open(
            staging,
            contract,
            images=images or None,
            provenance={"merged_from": facts},
            **sizes,
        ) as writer,
    ):
        for number, record in enumerate(view.records):
            arrays = {name: view.read(name, number) for name in names}
            writer.hold(replace(record, index=number) if renumber else record, arrays)
            progress(number + 1, len(view))
    return len(view)


def _require_equal(view: StoreView) -> None:
    first = view.stores[0]
    for store in view.stores[1:]:
        for field in fields(Contract):
            one, other = getattr(first.contract, field.name), getattr(store.contract, field.name)
            if one != other:
                raise ContractMismatchError(
                    f"{first.path} has {field.name} {one}, {store.path} has {other}; a store has "
                    "one contract (several stores are read as one without merging them)"
                )
        shapes = [
            {name: (s.array(name).shape[1:], str(s.array(name).dtype)) for name in s.names}
            for s in (first, store)
        ]
        for name in sorted(shapes[0].keys() | shapes[1].keys()):
            if shapes[0].get(name) != shapes[1].get(name):
                raise ContractMismatchError(
                    f"{name} is {shapes[0].get(name, 'absent')} in {first.path} and "
                    f"{shapes[1].get(name, 'absent')} in {store.path}"
                )


def _require_new_indices(view: StoreView) -> None:
    seen: dict[int, str] = {}
    for record in view.records:
        if record.index in seen:
            raise FormatError(
                f"episodes {seen[record.index]} and {record.id} both have index {record.index}; "
                "--renumber gives new ones"
            )
        seen[record.index] = record.id
