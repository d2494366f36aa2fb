"""The embedded sample: faces drawn from geometry, so that keypoints and emotion are known exactly."""
