"""Runs blocks of the documentation in a copy of the project."""

import shutil
import subprocess
from pathlib import Path

from PIL import Image

from docs.snippets import Snippet
from tests.conftest import BIN, PATIENCE, ROOT, environment_of

PRELUDE = """\
set -euo pipefail
# The console script belongs to the checkout that it was installed in.
faces() { python -m flows "$@"; }
"""


def add_pictures(project: Path) -> None:
    """The pictures that the pages name, and the environment."""
    for name in ("photos", "scans/1"):
        (project / name).mkdir(parents=True)
    photograph = Image.open(ROOT / "docs/predictions.png").convert("RGB")
    for name in ("photo.jpg", "photos/one.jpg", "photos/two.png", "scans/1/three.png"):
        photograph.save(project / name)
    (project / ".venv").symlink_to(BIN.parent)


def run_block(snippet: Snippet, project: Path) -> None:
    """Run a block; fails with its output unless it exits with 0."""
    text = snippet.text
    command = ["bash", "-c", PRELUDE + text] if snippet.language == "bash" else ["python", "-c", text]
    command[0] = shutil.which(command[0], path=f"{BIN}:/usr/local/bin:/usr/bin:/bin") or command[0]
    environment = environment_of(PREFECT_API_URL=None, PYTHONPATH=str(project))
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, f"{snippet.page}:{snippet.line}\n{text}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
