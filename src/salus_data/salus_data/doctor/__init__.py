"""The doctor: is a set of stores sound, and if not, what is wrong and what to do about it?

Broken data and broken labels are errors. Assumptions and leaks are warnings. A store that cannot be
read is a finding, never an exception.
"""

from collections.abc import Sequence
from pathlib import Path

from salus_data.doctor.cameras import check_cameras
from salus_data.doctor.dataset import check_set
from salus_data.doctor.episodes import check_duplicates, check_episodes
from salus_data.doctor.findings import Finding, Leak, Report, Severity, by_severity
from salus_data.doctor.labels import check_labels
from salus_data.doctor.leaks import measure_leaks
from salus_data.doctor.stamps import check_stamps
from salus_data.doctor.structure import open_source
from salus_data.doctor.values import check_values

__all__ = ["Finding", "Leak", "Report", "Severity", "examine"]


def examine(
    paths: Sequence[Path | str] | Path | str,
    *,
    min_positive_ratio: float = 0.01,
    strict: bool = False,
) -> Report:
    """Examine stores that will be read together.

    Args:
        paths: stores, or folders that hold stores (*.zarr).
        min_positive_ratio: least share of steps with any positive label among the valid ones, 0
            to 1; 0 also accepts a set without failures, as a calibration needs it.
        strict: let a warning make the set unsound.

    Returns:
        A report; its `exit_status` is 0 if the set is sound, else 1.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    sources = [open_source(path) for path in _stores([Path(path) for path in given])]
    for source in sources:
        check_values(source)
        check_stamps(source)
        check_cameras(source)
        check_episodes(source)
        check_labels(source)
    check_duplicates(sources)
    counts = check_set(sources, min_positive_ratio)
    leaks, phase_r2 = measure_leaks(sources)
    return Report(
        stores=tuple(str(source.path) for source in sources),
        strict=strict,
        findings=by_severity(finding for source in sources for finding in source.findings),
        leaks=leaks,
        phase_r2=phase_r2,
        counts=counts,
    )


def _stores(paths: Sequence[Path]) -> list[Path]:
    """Each path, or the stores inside it where it is a folder of stores."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.zarr")) if path.is_dir() else []
        found += inside or [path]
    return list(dict.fromkeys(found))
