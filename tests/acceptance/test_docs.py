"""The blocks of README and documentation that say `run` do run, page by page, in copies of a trained project.

Blocks that say something else are checked in `tests/docs/test_snippets.py`.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from docs.snippets import snippets
from tests.conftest import commit, copy_project, runner, set_params
from tests.docs.blocks import add_pictures, run_block
from tests.flows.test_pipeline import SMALL

RUN = [one for one in snippets() if one.way == "run"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after `dvc repro`, with everything committed, and with the files that the pages name."""
    project = copy_project(tmp_path_factory.mktemp("docs") / "project")
    set_params(project, **SMALL)
    runner(project)("dvc", "repro", PREFECT_API_URL=None)
    commit(project, "trained")
    add_pictures(project)
    faces = np.load(project / "data/prepared/emotion/test.npz")["images"][:3]
    pd.DataFrame({"pixels": [" ".join(map(str, face.ravel())) for face in faces]}).to_csv(project / "more.csv")
    return project


@pytest.mark.parametrize("page", sorted({one.page for one in RUN}))
def test_the_commands_of_a_page_run(page: str, trained: Path, tmp_path: Path) -> None:
    """In the order of the page. Commands of a page may need files that earlier ones wrote."""
    project = Path(shutil.copytree(trained, tmp_path / "project", symlinks=True))
    for snippet in (one for one in RUN if one.page == page):
        run_block(snippet, project)


def test_blocks_run_on_every_kind_of_page() -> None:
    assert {"README.md", "docs/tutorials/first-run.md", "docs/how-to/own-tables.md"} <= {one.page for one in RUN}
