"""What every stage needs of Prefect, DVC, git and processes."""
