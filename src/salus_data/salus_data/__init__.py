"""The ROS-free ground of SALUS: failure types, dataset, labels, doctor, the robot's own signals."""

__version__ = "0.1.0"
