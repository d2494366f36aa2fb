"""Runs one stage by DVC, for the pipeline: `python -m flows.repro [--force] STAGE`. It ends with the pipeline."""

import sys

from dvc.cli import main

if __name__ == "__main__":
    sys.exit(main(["--wait-for-lock", "repro", "--single-item", *sys.argv[1:]]))
