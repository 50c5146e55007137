"""From trees to training rows, and from rows to trained models."""
