"""Shared by all rooms: atomic file writes, errors, datasets on disk, escaping, the host."""
