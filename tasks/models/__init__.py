"""Model files, how they run, and which of them may score."""
