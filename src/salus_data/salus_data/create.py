"""Make an empty store, all of it or nothing."""

import errno
import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import zarr
from zarr.codecs import ZstdCodec

import salus_data
from salus_data.contract import Contract
from salus_data.episode import EpisodeRecord
from salus_data.labels import label_digest, label_source
from salus_data.schema import (
    DATA,
    ENDS,
    FRAMES_PER_SHARD,
    LABELS,
    RECORDS,
    SCHEMA_VERSION,
    ArraySpec,
    label_specs,
)
from salus_data.swap import built_beside

_ZSTD_LEVEL: Final = 3
_EPISODES_PER_CHUNK: Final = 1024


def create_store(
    path: Path, contract: Contract, specs: Iterable[ArraySpec], provenance: Mapping[str, Any]
) -> None:
    """Create an empty store at `path`, or leave alone what is already there.

    It is built beside its place and renamed into it, so that a store exists completely or not at
    all, and two writers that create the same store at once cannot mix.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with built_beside(path) as staging:
            _build(staging, contract, specs, provenance)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _build(
    path: Path, contract: Contract, specs: Iterable[ArraySpec], provenance: Mapping[str, Any]
) -> None:
    root = zarr.create_group(
        path,
        attributes={
            "schema_version": SCHEMA_VERSION,
            "contract": contract.to_json(),
            "versions": versions(),
            "provenance": dict(provenance),
        },
    )
    root.create_group(DATA)
    for spec in (*specs, *label_specs(contract).values()):
        create_rows(root, spec)
    root[f"{DATA}/{LABELS}"].attrs.update(label_attributes(contract, [], []))
    compressor = ZstdCodec(level=_ZSTD_LEVEL)
    for name, dtype in ((ENDS, "int64"), (RECORDS, "string")):
        root.create_array(
            name, shape=(0,), chunks=(_EPISODES_PER_CHUNK,), dtype=dtype, compressors=compressor
        )


def create_rows(
    root: "zarr.Group", spec: ArraySpec, *, overwrite: bool = False
) -> "zarr.Array[Any]":
    """Create an array (0, ...) below data/."""
    return root.create_array(
        f"{DATA}/{spec.name}",
        shape=(0, *spec.shape),
        chunks=(spec.chunk_rows, *spec.shape),
        shards=(FRAMES_PER_SHARD, *spec.shape) if spec.is_image else None,
        dtype=spec.dtype,
        fill_value=spec.fill_value,
        compressors=ZstdCodec(level=_ZSTD_LEVEL),
        attributes=spec.attributes,
        overwrite=overwrite,
        # Every chunk is a file, so that a lost one is noticed and does not read as zeros.
        config={"write_empty_chunks": True},
    )


def label_attributes(
    contract: Contract, ends: Sequence[int], records: Sequence[EpisodeRecord]
) -> dict[str, Any]:
    """The attributes of `horizon_labels`: what the labels of the first episodes follow from."""
    return {
        "label_source": label_source(records),
        "horizons": list(contract.horizons),
        "failure_types": list(contract.failure_types),
        "digest": label_digest(ends, records, contract.horizons),
        "digest_episodes": len(records),
        "computed_by": f"salus {salus_data.__version__}",
    }


def versions() -> dict[str, str | None]:
    """Versions of what shapes the content of a store; None where a package is not installed."""
    found: dict[str, str | None] = {"salus": salus_data.__version__}
    for package in ("mujoco", "lerobot", "zarr", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found
