"""The filter in the command path, as a core without ROS.

`config` what is asked for, `rules` from forecasts to demands, `failsafe` what may not be trusted,
`machine` the state, `path` where the arm came from, `commands` what a state emits, `core` one step
from inputs to the action, `gate` which messages make a step and how long to wait for them.
"""
