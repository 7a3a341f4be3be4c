"""How a SALUS node starts and ends as a process."""

import faulthandler
import gc
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.experimental import EventsExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from salus_data.errors import SalusError
from salus_data.memory import keep_freed_memory

WAKE = 0.1
"""Seconds between two looks at whether the process is to end."""

END_WITHIN = 8.0
"""Seconds from the node's `close` to the end of the process; a launch kills after ten."""


def spin(executor: EventsExecutor, status: Callable[[], int | None] | None = None) -> int:
    """Serve callbacks, in the order in which their messages came, until the context ends.

    Args:
        executor: holds the nodes.
        status: asked after every callback; a number ends the spinning and is returned. A callback
            that raised instead would be logged as a crash.

    An EventsExecutor costs a third of the single-threaded executor a callback, and where nobody
    has to be asked in between, half of that again: it then goes from one to the next by itself.
    Its own `spin` is not used: in rclpy 7.1.6 it serves no timer and does not hear signals.
    """
    if status is None:
        while rclpy.ok():
            executor.spin_until_future_complete(Future(), timeout_sec=WAKE)
        return 0
    while rclpy.ok():
        executor.spin_once(timeout_sec=WAKE)
        if (result := status()) is not None:
            return result
    return 0


def run_node(create: Callable[[], Node], arguments: Sequence[str] | None = None) -> None:
    """Spin one node until it is told to stop, then exit; a SalusError is one line and status 2.

    A node that is made with an attribute `status` ends the process when it is no longer None.
    SIGINT and SIGTERM end it with status 0 once the node's `close` has run, where it has one. A
    process whose middleware then does not come to an end says where it hangs and ends with
    status 1.
    """
    keep_freed_memory()
    signal.signal(signal.SIGINT, _on_interrupt)
    rclpy.init(
        args=list(arguments) if arguments is not None else None,
        signal_handler_options=SignalHandlerOptions.ALL,
    )
    sys.exit(_spin(create))


_serving = False
"""Whether a node has been made; from then on the end of its context ends the process."""


def _on_interrupt(*_: object) -> None:
    # Raised in a callback it would be logged as a crash, and in `close` leave something half-done.
    if not _serving:
        raise KeyboardInterrupt


def _spin(create: Callable[[], Node]) -> int:
    global _serving
    node: Node | None = None
    try:
        node = create()
        _serving = True
        # What was loaded stays: the collector need not look through it while steps wait.
        gc.collect()
        gc.freeze()
        executor = EventsExecutor()
        executor.add_node(node)
        served: Any = node
        return spin(executor, (lambda: served.status) if hasattr(node, "status") else None)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except rclpy_implementation.RCLError:
        if rclpy.ok():
            raise
        return 0  # told to end while it was being made
    except SalusError as error:
        print(f"{node.get_name() if node else 'node'}: {error}", file=sys.stderr, flush=True)
        return 2
    finally:
        if node is not None:
            close = getattr(node, "close", None)
            if close is not None:
                close()
            # Once in dozens of launches a node did not end; nobody knows where it stood. From here
            # on nothing can be lost.
            faulthandler.dump_traceback_later(END_WITHIN, exit=True)
            node.destroy_node()
        rclpy.try_shutdown()
        # A second Ctrl-C, or a launch that passes the first one on, must not kill what is ending.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
