"""Documentation: `docs.generate` writes its generated pages, `docs.figures` draws figures."""
