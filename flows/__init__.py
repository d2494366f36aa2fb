"""Flows and the command line: `python -m flows COMMAND`, or `faces COMMAND`."""
