"""Reads what users have: archives, CSV and Parquet tables, image folders, images, addresses."""
