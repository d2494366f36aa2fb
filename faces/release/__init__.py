"""Whether models are good enough to score, and no worse than those in production."""
