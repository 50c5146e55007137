"""The agents of a simulation, one role a file; each asks one model through the call log."""
