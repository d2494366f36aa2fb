"""What every room uses: whole files, errors, datasets on disk, escaping, the host."""
