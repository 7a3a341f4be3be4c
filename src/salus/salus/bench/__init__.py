"""Benchmarks: each measures SALUS against a named alternative in the same run, as a ratio."""
