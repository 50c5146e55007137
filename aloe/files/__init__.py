"""Files as users hand them in, read with the place of each record."""
