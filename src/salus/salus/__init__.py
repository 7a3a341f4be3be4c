"""The salus command."""

__version__ = "0.1.0"
