"""A predictor beside a running robot, as a core without ROS.

`watched` the model and what belongs to it, `join` which messages make a step, `signals` the row of
signals as a recorder would store it, `forecasts` levels and expected times, `warnings` what is
raised and cleared, `evidence` why, `monitor` all of it, one step after the other.
"""
