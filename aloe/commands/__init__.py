"""The commands of the ground, one a file; heavy imports stand inside the functions."""
