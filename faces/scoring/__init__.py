"""Face detection, crops, quality flags, the table of predictions, drift."""
