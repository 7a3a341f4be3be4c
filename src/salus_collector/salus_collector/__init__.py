"""Simulation, policies and recorder of SALUS: the cores, and the thin nodes over them."""

__version__ = "0.1.0"
