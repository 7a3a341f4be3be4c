"""The study as a command: `python -m salus_predictor.studies.pi0_libero FILES... --out FOLDER`."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from salus_data.errors import SalusError
from salus_predictor.studies.pi0_libero.study import run_study


def main() -> int:
    """Run the study; exit status 0 done, 2 wrong use."""
    parser = argparse.ArgumentParser(prog="pi0_libero", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="the ten task files, JSON lines")
    parser.add_argument("--out", type=Path, required=True, help="folder of scores and tables")
    arguments = parser.parse_args()
    try:
        result = run_study(
            arguments.files, arguments.out, say=lambda text: print(text, file=sys.stderr)
        )
    except SalusError as error:
        print(f"pi0_libero: {error}", file=sys.stderr)
        return 2
    print(result.text)
    (arguments.out / "results.json").write_text(
        json.dumps(
            {
                "cells": [cell.to_json() for cell in result.cells],
                "choices": [asdict(choice) for choice in result.choices],
            },
            indent=1,
        )
        + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
