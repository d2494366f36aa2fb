"""Reads user data: archives, CSV and Parquet tables, image folders, images, addresses."""
