"""Faults that strike a running graph of real processes."""
