"""Personas, what was revealed, and where trees are kept: what outlives one call."""
