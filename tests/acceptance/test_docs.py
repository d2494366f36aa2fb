"""The blocks of README and documentation that say `run` do run, page by page, in copies of a trained project.

Blocks that say something else are checked in `tests/docs/test_snippets.py`.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from docs.snippets import Snippet, snippets
from tests.conftest import BIN, PATIENCE, ROOT, commit, copy_project, environment_of, runner, set_params
from tests.flows.test_pipeline import SMALL

RUN = [one for one in snippets() if one.way == "run"]
PRELUDE = """\
set -euo pipefail
# The console script belongs to the checkout that it was installed in.
faces() { python -m flows "$@"; }
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after `dvc repro`, with everything committed, and with the files that the pages name."""
    project = copy_project(tmp_path_factory.mktemp("docs") / "project")
    set_params(project, **SMALL)
    runner(project)("dvc", "repro", PREFECT_API_URL=None)
    commit(project, "trained")
    add_files(project)
    return project


def add_files(project: Path) -> None:
    """A photograph, folders of pictures, a table of faces, and the environment."""
    for name in ("photos", "scans/1"):
        (project / name).mkdir(parents=True)
    photograph = Image.open(ROOT / "docs/predictions.png").convert("RGB")
    for name in ("photo.jpg", "photos/one.jpg", "photos/two.png", "scans/1/three.png"):
        photograph.save(project / name)
    faces = np.load(project / "data/prepared/emotion/test.npz")["images"][:3]
    pd.DataFrame({"pixels": [" ".join(map(str, face.ravel())) for face in faces]}).to_csv(project / "more.csv")
    (project / ".venv").symlink_to(BIN.parent)


@pytest.mark.parametrize("page", sorted({one.page for one in RUN}))
def test_the_commands_of_a_page_run(page: str, trained: Path, tmp_path: Path) -> None:
    """In the order of the page. Commands of a page may need files that earlier ones wrote."""
    project = Path(shutil.copytree(trained, tmp_path / "project", symlinks=True))
    for snippet in (one for one in RUN if one.page == page):
        done = run_block(snippet, project)
        assert done.returncode == 0, (
            f"{page}:{snippet.line}\n{snippet.text}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
        )


def run_block(snippet: Snippet, project: Path) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-c", PRELUDE + snippet.text] if snippet.language == "bash" else ["python", "-c", snippet.text]
    command[0] = shutil.which(command[0], path=f"{BIN}:/usr/local/bin:/usr/bin:/bin") or command[0]
    environment = environment_of(PREFECT_API_URL=None, PYTHONPATH=str(project))
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def test_blocks_run_on_every_kind_of_page() -> None:
    assert {"README.md", "docs/tutorials/first-run.md", "docs/how-to/own-tables.md"} <= {one.page for one in RUN}
