"""What every SALUS node shares: topics, quality of service, parameters, conversions, life cycle."""

__version__ = "0.1.0"
