"""Print one closing line over the JUnit files of a test run; exit 1 where a test failed or none ran."""

import sys
from pathlib import Path
from xml.etree import ElementTree  # our own files


def main(paths: list[str]) -> int:
    """Count over the files and print `N passed, N failed, N skipped`."""
    total = failed = skipped = 0
    for path in map(Path, paths):
        for suite in ElementTree.parse(path).iter("testsuite"):
            total += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", 0))
    print(f"{total - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not total else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
