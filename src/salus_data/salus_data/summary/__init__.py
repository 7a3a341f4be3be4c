"""The summary page of a collection: one HTML file that needs nothing else."""

from salus_data.summary.page import write_summary

__all__ = ["write_summary"]
