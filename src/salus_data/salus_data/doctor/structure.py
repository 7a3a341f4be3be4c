"""Schema: is it a store, of a version we read, with every array in its place?"""

from pathlib import Path
from typing import Any

import numpy as np
import zarr

from salus_data.contract import Contract
from salus_data.doctor.findings import Severity
from salus_data.doctor.legacy_source import read_legacy
from salus_data.doctor.source import Source, read_group
from salus_data.errors import FormatError, reason
from salus_data.legacy import METADATA
from salus_data.schema import (
    DATA,
    IMAGE_PREFIX,
    READABLE_VERSIONS,
    ArraySpec,
    array_specs,
    label_specs,
)
from salus_data.types import FAILURE_TYPES

AGAIN = "restore it, or collect these episodes again"


def open_source(path: Path) -> Source:
    """Open a store as far as possible; what cannot be opened is among the source's findings."""
    source = Source(path)
    if not path.is_dir():
        source.add(
            Severity.ERROR, "not_a_store", "there is no such folder", "check the path of the store"
        )
        return source
    try:
        root = zarr.open_group(path, mode="r")
        source.attributes = dict(root.attrs)
        legacy = "schema_version" not in source.attributes and METADATA in root
    except Exception as error:  # noqa: BLE001  zarr raises many kinds for what is no store
        source.add(
            Severity.ERROR,
            "not_a_store",
            f"the folder cannot be opened as a zarr group: {reason(error)}",
            "give the folder that ends in .zarr; restore its zarr.json if that is damaged",
        )
        return source
    if legacy:
        read_legacy(source)
        return source
    _check_version(source)
    _read_contract(source)
    read_group(source, root)
    _check_arrays(source)
    return source


def _check_version(source: Source) -> None:
    version = source.attributes.get("schema_version")
    if version in READABLE_VERSIONS:
        return
    source.add(
        Severity.ERROR,
        "schema_version",
        f"schema_version is {version!r}; this version of SALUS reads "
        f"{', '.join(map(str, READABLE_VERSIONS))}",
        "read it with the version of SALUS that wrote it, or migrate it",
        field="schema_version",
    )


def _read_contract(source: Source) -> None:
    value = source.attributes.get("contract")
    if not isinstance(value, dict):
        source.add(
            Severity.ERROR,
            "contract_missing",
            f"the attribute contract is {value!r}, not an object",
            "without it no number has a meaning: restore the root's zarr.json",
            field="contract",
        )
        return
    try:
        source.contract = Contract.from_json(value)
    except (FormatError, TypeError, ValueError) as error:
        source.add(
            Severity.ERROR,
            "contract_invalid",
            str(error),
            "correct the field that is named; docs/DATA_FORMAT.md lists them all",
            field="contract",
        )
        return
    shifted = [
        f"{number} is {name}"
        for number, name in enumerate(source.contract.failure_types)
        if name in FAILURE_TYPES and FAILURE_TYPES.index(name) != number
    ]
    if shifted or not source.contract.failure_types:
        source.add(
            Severity.ERROR,
            "class_names",
            f"failure_types are {list(source.contract.failure_types)} ({', '.join(shifted)}); "
            f"numbers 0 to {len(FAILURE_TYPES) - 1} mean {list(FAILURE_TYPES)} wherever one of "
            "these names is used",
            "renumber the failure types of this store, or read it with what wrote it",
            field="contract.failure_types",
        )


def _check_arrays(source: Source) -> None:
    if source.contract is not None:
        expected = array_specs(source.contract) | label_specs(source.contract)
        for name, spec in expected.items():
            _check_array(source, name, spec)
        for camera in source.contract.cameras:
            name = IMAGE_PREFIX + camera
            if name not in source.arrays:
                source.add(
                    Severity.NOTE,
                    "camera_absent",
                    f"the contract has a camera {camera}, the store has no {name}",
                    "nothing, if it was collected without images",
                    field=name,
                )
    for name, array in source.arrays.items():
        if not _has_rows(array, source.n_rows):
            source.add(
                Severity.ERROR,
                "array_truncated",
                f"{DATA}/{name} has {array.shape[:1]} rows, {source.n_rows} are committed",
                AGAIN,
                field=name,
            )
    if len(source.ends) == 0:
        source.add(
            Severity.ERROR,
            "no_episodes",
            "the store has no committed episode",
            "collect some, or leave this store out",
            field="meta/episode_ends",
        )


def _check_array(source: Source, name: str, spec: ArraySpec) -> None:
    array = source.arrays.get(name)
    if array is None:
        if name not in {finding.field for finding in source.findings}:
            source.add(
                Severity.ERROR, "array_missing", f"{DATA}/{name} is missing", AGAIN, field=name
            )
        return
    if array.shape[1:] != spec.shape:
        source.add(
            Severity.ERROR,
            "array_shape",
            f"rows of {DATA}/{name} have shape {array.shape[1:]}, the contract says {spec.shape}",
            "contract and data come from different versions: restore the right contract",
            field=name,
        )
    elif np.dtype(array.dtype).kind != np.dtype(spec.dtype).kind:
        source.add(
            Severity.ERROR,
            "array_type",
            f"{DATA}/{name} is {array.dtype}, expected {spec.dtype}",
            AGAIN,
            field=name,
        )


def _has_rows(array: Any, count: int) -> bool:
    return len(array.shape) > 0 and int(array.shape[0]) >= count
