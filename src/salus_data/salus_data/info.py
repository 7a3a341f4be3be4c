"""What is in one or more stores: counts, arrays and their size, where they come from."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from salus_data.labels import label_source
from salus_data.summary.statistics import ending
from salus_data.view import StoreView


def store_info(view: StoreView) -> dict[str, Any]:
    """Everything that `salus info` tells, as plain data; sizes in bytes, times in seconds."""
    contract = view.contract
    lengths = np.diff(view.ends, prepend=0)
    return {
        "stores": [
            {
                "path": str(store.path),
                "episodes": len(store),
                "schema_version": store.attributes.get("schema_version"),
                "versions": store.attributes.get("versions"),
                "provenance": store.attributes.get("provenance"),
            }
            for store in view.stores
        ],
        "episodes": len(view),
        "rows": view.n_rows,
        "seconds": view.n_rows * contract.step_period,
        "shortest": int(lengths.min()) if len(view) else 0,
        "longest": int(lengths.max(initial=0)),
        "endings": dict(Counter(ending(record, contract) for record in view.records)),
        "label_source": label_source(view.records),
        "contract": contract.to_json() | {"digest": contract.digest()},
        "arrays": {name: _array(view, name) for name in view.names},
    }


def _array(view: StoreView, name: str) -> dict[str, Any]:
    first = view.stores[0].array(name)
    row = int(np.prod(first.shape[1:], dtype=np.int64)) * first.dtype.itemsize
    return {
        "shape": [view.n_rows, *first.shape[1:]],
        "dtype": str(first.dtype),
        "bytes": row * view.n_rows,
        "bytes_on_disk": sum(folder_bytes(store.path / "data" / name) for store in view.stores),
    }


def folder_bytes(folder: Path) -> int:
    """What the files of a folder take on the disk."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
