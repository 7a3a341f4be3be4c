"""A node as a process of its own, for benchmarks and tests across processes."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import IO, Any, Final

from salus_data.errors import SalusError

_LIBC: Final = ctypes.CDLL(None)
_PR_SET_PDEATHSIG: Final = 1


def _end_with_parent() -> None:
    """Ask Linux to kill this process with its parent: even a killed benchmark leaves no node."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A process that runs one node; its errors are kept for the message about its end.

    Args:
        name: of the node, for errors.
        module: its module.
        namespace: of the node; domain: of ROS.
        parameters: of the node.
    """

    def __init__(
        self, module: str, namespace: str, domain: int, parameters: Mapping[str, Any]
    ) -> None:
        self.name = module.rpartition(".")[2]
        command = [sys.executable, "-m", module, "--ros-args", "-r", f"__ns:={namespace}"]
        command += ["--log-level", "fatal"]
        for key, value in parameters.items():
            command += ["-p", f"{key}:={value}"]
        self._command = command
        self._environment = os.environ | {
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "OMP_NUM_THREADS": "1",
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def start(self) -> None:
        """Start the process, where none runs."""
        if self._process is None:
            if self._errors is None:
                self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - until `close`
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stderr=self._errors,
                preexec_fn=_end_with_parent,
            )

    def signal(self, number: int) -> None:
        """Send it a signal; SIGKILL also reaps it."""
        if self._process is None:
            return
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait()
            self._process = None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def require_alive(self) -> None:
        """Raise SalusError where it has ended by itself."""
        if self._process is not None and (status := self._process.poll()) is not None:
            assert self._errors is not None
            self._errors.seek(0)
            told = self._errors.read().decode(errors="replace").strip().splitlines()
            why = told[-1] if told else "it said nothing"
            raise SalusError(f"{self.name} ended with status {status}: {why}")

    def close(self) -> None:
        """End it."""
        if self._errors is not None:
            self._errors.close()
            self._errors = None
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
