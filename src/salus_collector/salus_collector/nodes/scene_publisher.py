"""The simulated scene as markers, so that RViz and Foxglove show it without a URDF."""

from typing import Final

from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.node import Node
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker as MarkerMessage
from visualization_msgs.msg import MarkerArray

from salus_collector.sim.interface import Environment, simulation_of
from salus_collector.sim.markers import Marker
from salus_ros import convert, topics

EVERY: Final = 3
"""Steps between two pictures of the moving parts: 10 Hz."""

EVERY_FIXED: Final = 30
"""Steps between two pictures of what stands still, for viewers that come late."""

SHAPES: Final = {"box": MarkerMessage.CUBE, "mesh": MarkerMessage.MESH_RESOURCE}


class ScenePublisher:
    """Publishes markers while somebody listens; nobody pays for them otherwise."""

    def __init__(self, node: Node, environment: Environment) -> None:
        self._core = simulation_of(environment)
        self._publisher = node.create_publisher(MarkerArray, topics.SCENE, topics.STEP_QOS)
        self._identifiers: dict[str, int] = {}
        self._watched = False

    def publish(self, stamp: int, step: int) -> None:
        """Publish the scene at this step, if it is due and somebody listens."""
        if step % EVERY:
            return
        watched, before = self._publisher.get_subscription_count() > 0, self._watched
        self._watched = watched
        if not watched:
            return
        everything = step % EVERY_FIXED == 0 or not before
        markers = [
            self._message(marker, stamp)
            for marker in self._core.markers()
            if everything or not marker.fixed
        ]
        if step == 0:  # what was in the last episode may be gone, an obstacle for one
            markers.insert(0, MarkerMessage(action=MarkerMessage.DELETEALL))
        self._publisher.publish(MarkerArray(markers=markers))

    def _message(self, marker: Marker, stamp: int) -> MarkerMessage:
        x, y, z = map(float, marker.position)
        qx, qy, qz, qw = map(float, marker.quaternion)
        sx, sy, sz = map(float, marker.extents)
        red, green, blue, alpha = map(float, marker.rgba)
        return MarkerMessage(
            header=convert.header(stamp, topics.BASE_FRAME),
            ns="scene",
            id=self._identifiers.setdefault(marker.name, len(self._identifiers)),
            type=SHAPES[marker.shape],
            action=MarkerMessage.ADD,
            pose=Pose(
                position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw)
            ),
            scale=Vector3(x=sx, y=sy, z=sz),
            color=ColorRGBA(r=red, g=green, b=blue, a=alpha),
            mesh_resource=f"file://{marker.mesh}" if marker.mesh else "",
        )
