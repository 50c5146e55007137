"""Chat models: one way to open any of them, and what is behind it."""
