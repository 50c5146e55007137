"""What every package of the project shares: schema, settings, errors, models, call log, console."""

__version__ = "0.1.0"
