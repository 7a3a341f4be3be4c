"""Are two stores the same, bit for bit?

    python -m salus_data.compare out/run1 out/imported.zarr

Episodes are matched by id, so that stores of several workers compare with one of an import.
"""

import argparse
import json
import sys
from pathlib import Path

from salus_data.errors import SalusError
from salus_data.view import StoreView


def differences(one: StoreView, other: StoreView) -> list[str]:
    """One line for each difference in contract, episodes, records, arrays and their bytes."""
    found = []
    if one.contract != other.contract:
        found.append("the contracts differ")
    if one.names != other.names:
        found.append(f"arrays: {', '.join(one.names)} and {', '.join(other.names)}")
    here, there = ({r.id: i for i, r in enumerate(view.records)} for view in (one, other))
    found += [
        f"episode {name} is only in the {'first' if name in here else 'second'}"
        for name in sorted(here.keys() ^ there.keys())
    ]
    for name in sorted(here.keys() & there.keys()):
        a, b = one.records[here[name]], other.records[there[name]]
        if json.dumps(a.to_json()) != json.dumps(b.to_json()):
            found.append(f"episode {name}: the records differ")
        found += [
            f"episode {name}: {array} differs"
            for array in one.names
            if array in other.names
            and one.read(array, here[name]).tobytes() != other.read(array, there[name]).tobytes()
        ]
    return found


def main() -> None:
    """Print every difference; exit status 0 equal, 1 not, 2 wrong use."""
    parser = argparse.ArgumentParser(description="Are two stores the same, bit for bit?")
    parser.add_argument("stores", type=Path, nargs=2, help="stores, or folders of stores")
    first, second = parser.parse_args().stores
    try:
        one, other = StoreView(first), StoreView(second)
    except SalusError as error:
        print(f"compare: {error}", file=sys.stderr)
        sys.exit(2)
    found = differences(one, other)
    for line in found:
        print(line)
    if not found:
        print(f"equal: {len(one)} episodes, {one.n_rows:,} rows, {len(one.names)} arrays")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
