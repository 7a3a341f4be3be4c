"""Calibration: probabilities that hold, and alarm thresholds with a stated false-alarm rate."""
