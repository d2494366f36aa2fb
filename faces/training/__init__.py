"""What a training step gets, and how a model is fitted."""
