"""MuJoCo chooses its renderer when it is first imported; the choice must come before any test."""

import salus_collector.sim  # noqa: F401 - sets MUJOCO_GL
