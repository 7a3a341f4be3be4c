"""Puts an ensemble into the package, as what `--policy smolvla` runs.

    python -m salus_collector.policy.smolvla.shipped ENSEMBLE --version 1.0.0

Only what a policy is loaded from is taken. The result is loaded once before it replaces what is
there, so that nothing ships that cannot act.
"""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Final

from salus_collector.policy.registry import SHIPPED_SMOLVLA
from salus_collector.policy.smolvla.ensemble import MANIFEST, find_source
from salus_data.errors import PolicyError, SalusError

LIMIT_MB: Final = 20.0
"""What a checkpoint in the package may weigh, in 10^6 bytes."""

SUFFIXES: Final = (".json", ".safetensors")


def ship(ensemble: Path, version: str, out: Path = SHIPPED_SMOLVLA) -> float:
    """Copy an ensemble folder with its version written into the manifest.

    Args:
        ensemble: folder with `ensemble.json`, complete.
        version: MAJOR.MINOR.PATCH.
        out: folder that is replaced.

    Returns:
        Its size [MB].

    Raises:
        PolicyError: the version is none, the folder is too large, depends on files outside it, or
            cannot be loaded.
    """
    from salus_collector.policy.smolvla.policy import load_smolvla

    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise PolicyError(f"version {version!r}: give MAJOR.MINOR.PATCH, such as 1.0.0")
    if find_source(str(ensemble)).folder is None:
        raise PolicyError(f"{ensemble}: no {MANIFEST}; `salus clone` writes one")
    files = [p for p in sorted(ensemble.rglob("*")) if p.is_file() and p.suffix in SUFFIXES]
    size = sum(path.stat().st_size for path in files) / 1e6
    if size > LIMIT_MB:
        raise PolicyError(f"{ensemble}: {size:.1f} MB; at most {LIMIT_MB:g} MB may ship")
    staging = out.with_name(f".{out.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    for path in files:
        target = staging / path.relative_to(ensemble)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)  # LeRobot writes weights that only their owner may read
    manifest = json.loads((staging / MANIFEST).read_text(encoding="utf-8"))
    text = json.dumps(manifest | {"version": version}, indent=1) + "\n"
    (staging / MANIFEST).write_text(text, encoding="utf-8")
    try:
        _refuse_absolute_paths(staging)
        load_smolvla(str(staging))
        shutil.rmtree(out, ignore_errors=True)
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return size


def _refuse_absolute_paths(folder: Path) -> None:
    """A path of the machine that trained it would be a lie on every other one."""
    for path in folder.rglob("*.json"):
        found = re.search(r'"(/[^"\s]+/[^"\s]+)"', path.read_text(encoding="utf-8"))
        if found and path.parent.name != "vlm":
            raise PolicyError(f"{path.relative_to(folder)}: names the path {found[1]}")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("ensemble", type=Path, help="folder that `salus clone` wrote")
    parser.add_argument("--version", required=True, help="MAJOR.MINOR.PATCH of the policy")
    parser.add_argument("--out", type=Path, default=SHIPPED_SMOLVLA, help="[the package]")
    chosen = parser.parse_args()
    try:
        size = ship(chosen.ensemble, chosen.version, chosen.out)
    except SalusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{chosen.out}: version {chosen.version}, {size:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
