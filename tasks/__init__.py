"""Tasks: path in, path out; the only code that reads and writes."""
