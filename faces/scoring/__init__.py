"""From photographs to crops and back, quality flags, the table of predictions, drift."""
