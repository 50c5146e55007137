"""Reading users' files, with the place of each record, and writing ours so that none is torn."""
