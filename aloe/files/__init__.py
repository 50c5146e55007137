"""Reading users' files, with the place of each record, and writing ours without torn files."""
