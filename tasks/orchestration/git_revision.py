"""The commit of this checkout."""

import re
import subprocess

CODE, SETTINGS = ("dvc.yaml", "params", "flows", "tasks", "faces"), ("params.yaml", "conf")
"""The code and the settings that determine a stage's outputs."""


def revision() -> str:
    """Return the short hash of the current commit, with a + if code or settings have uncommitted changes; or empty."""
    commit = _git("rev-parse", "--short", "HEAD")
    return commit + ("+" if commit and _git("status", "--porcelain", "--", *CODE, *SETTINGS) else "")


def trouble() -> str | None:
    """Return why DVC and the registry cannot work in this folder, and the remedy; None if it is a git repository."""
    try:
        done = subprocess.run(["git", "rev-parse", "--git-dir"], capture_output=True, text=True, check=False)
    except OSError:
        return "git was not found on the PATH; install it"
    if not done.returncode:
        return None
    if remedy := re.search(r"git config .*safe\.directory .+", done.stderr):
        return f"this checkout belongs to another user, and git does not trust it; run `{remedy[0]}`, or clone it"
    return "this folder is not a git repository, as after unpacking a zip archive; run `git init`, or clone the project"


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
