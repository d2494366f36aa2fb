"""Every figure, as a matplotlib Figure; whoever owns the file saves it."""
