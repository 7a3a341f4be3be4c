"""Baselines: everything that a predictor has to beat, behind the same interface."""
