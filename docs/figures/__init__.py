"""The figures of docs/explanation/networks.md: `python -m docs.figures`."""

from tasks.common import process

# Libraries, which the figures import, read these variables when they are imported.
process.set_environment()
