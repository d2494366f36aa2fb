"""Generated pages of the documentation: `python -m docs.generate`."""
