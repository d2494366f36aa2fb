"""Which code runs: the commit of this checkout."""

import subprocess

CODE = ("dvc.yaml", "params.py", "flows", "tasks", "faces")
"""What, besides the settings, decides what a stage makes."""


def revision() -> str:
    """Short hash of the commit checked out, with a + where code or settings are not as it has them; or empty."""
    commit = _git("rev-parse", "--short", "HEAD")
    return commit + ("+" if commit and _git("status", "--porcelain", "--", *CODE, "params.yaml") else "")


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
