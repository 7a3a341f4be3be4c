"""Processes that a benchmark starts."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

START = """
import time
from salus.bench.child import Child
child = Child("sleeper", "/salus", 0, {})
child.start()
print(child._process.pid, flush=True)
time.sleep(60)
"""


def is_there(process: int) -> bool:
    """Whether it runs; one that nobody has waited for yet does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2]
    except FileNotFoundError:
        return False
    return state.split()[0] != "Z"


def test_a_child_ends_with_a_benchmark_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text("import time; time.sleep(60)")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": path}
    command = [sys.executable, "-c", START]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_there(child)
        parent.kill()
    until = time.monotonic() + 20
    while is_there(child) and time.monotonic() < until:
        time.sleep(0.05)
    if is_there(child):
        os.kill(child, signal.SIGKILL)
        raise AssertionError("the child outlived the benchmark")
