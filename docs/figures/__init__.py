"""The figures of docs/networks.md: `python -m docs.figures`."""

import flows  # noqa: F401  sets environment variables that the heavy libraries read when they are loaded
