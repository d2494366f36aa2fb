"""Augmentation, batches, losses, the optimizer and the training loop."""
