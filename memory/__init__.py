"""Personas, what was revealed, and where trees are stored: what outlives a call."""
