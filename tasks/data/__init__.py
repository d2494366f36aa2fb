"""Raw tables: sample, ingestion, validation, exploration."""
