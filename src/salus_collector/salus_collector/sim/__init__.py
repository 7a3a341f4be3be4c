"""The simulated pick and place: scene, physics, events, disturbances. No ROS.

MuJoCo chooses its renderer when it is first imported, so that is done here, before any module of
this package does it.
"""

from salus_collector.sim.backend import load_mujoco

load_mujoco()
