"""Chat models: one door for all of them, and what stands behind it."""
