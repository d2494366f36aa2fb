"""Shared by all rooms: columns and classes of both tables, geometry, pixel text, image statistics."""
