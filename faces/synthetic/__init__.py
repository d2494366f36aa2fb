"""The embedded sample: faces drawn from geometry, so that every point and every feeling is known exactly."""
