"""What every room knows: the two tables' columns and classes, geometry, pixel text, image statistics."""
