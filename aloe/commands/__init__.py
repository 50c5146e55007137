"""The base package's commands, one per file; heavy imports are inside the functions."""
