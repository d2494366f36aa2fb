"""Videos: what they are, decoding in a confined process, tracks, annotated copies, timelines."""
