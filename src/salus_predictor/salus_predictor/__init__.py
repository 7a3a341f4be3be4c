"""Prediction and supervision for a policy; needs neither MuJoCo nor LeRobot."""

__version__ = "0.1.0"
