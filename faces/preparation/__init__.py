"""Near-duplicates, splits, leakage, normalization constants, offline augmentation."""
