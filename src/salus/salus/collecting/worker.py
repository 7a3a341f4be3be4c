"""One process of a collection: all its nodes, composed."""

import os
from collections.abc import Callable
from multiprocessing.queues import Queue
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.experimental import EventsExecutor
from rclpy.node import Node

from salus.collecting.reporting import report
from salus.collecting.settings import own_domain
from salus_collector.collection import CollectionProgress
from salus_collector.nodes.bag_node import BagNode
from salus_collector.nodes.collect_node import CollectNode
from salus_collector.nodes.policy_node import PolicyNode
from salus_collector.nodes.recorder_node import RecorderNode
from salus_collector.nodes.sim_node import SimNode
from salus_data.memory import keep_freed_memory
from salus_predictor.nodes.predictor_node import PredictorNode
from salus_predictor.nodes.supervisor_node import SupervisorNode
from salus_ros.node import spin


def collect_in_process(
    arguments: list[str],
    on_progress: Callable[[CollectionProgress], None],
    *,
    watched: bool = False,
    bag: bool = False,
) -> int:
    """Run the graph of one worker in this process until its episodes are in the store.

    Args:
        arguments: ROS arguments of every node.
        on_progress: hears every change.
        watched: a predictor runs beside the policy.
        bag: a rosbag2 bag is recorded beside the store.

    Returns:
        Exit status: 0 all committed, 1 some discarded or stalled, 130 interrupted.

    Raises:
        SalusError: a node could not be made or go on.
    """
    keep_freed_memory()
    rclpy.init(args=arguments)
    nodes: list[Node] = []
    executor = EventsExecutor()
    try:
        watchers: tuple[Callable[[], Node], ...] = (PredictorNode,) if watched else ()
        bags: tuple[Callable[[], Node], ...] = (BagNode,) if bag else ()
        for make in (SimNode, SupervisorNode, *watchers, RecorderNode, *bags, PolicyNode):
            nodes.append(make())
            executor.add_node(nodes[-1])
        driver = CollectNode(on_progress)
        nodes.append(driver)
        executor.add_node(driver)
        parent = os.getppid()
        # A worker whose parent was killed would go on unseen, and bar the way to the next one.
        return spin(executor, lambda: driver.status if os.getppid() == parent else 1)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 130
    finally:
        for node in nodes:
            close = getattr(node, "close", None)
            if close is not None:
                close()
            node.destroy_node()
        rclpy.try_shutdown()


def run_worker(
    worker: int,
    workers: int,
    arguments: list[str],
    queue: "Queue[Any]",
    watched: bool = False,
    bag: bool = False,
) -> None:
    """Target of a worker process that speaks by `reporting`."""
    if workers > 1:
        os.environ.update(own_domain(worker))
    report(
        worker,
        queue,
        lambda on_progress: collect_in_process(arguments, on_progress, watched=watched, bag=bag),
    )
