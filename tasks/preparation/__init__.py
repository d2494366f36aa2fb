"""Near-duplicates, splits, the leakage check, offline augmentation, normalization."""
