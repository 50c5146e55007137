"""The verbs of the command line, one a file; heavy imports stand inside the functions."""
