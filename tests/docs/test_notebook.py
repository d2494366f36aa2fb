"""The notebook is committed as it was run: in order, without errors, and without a trace of the machine.

`tests/acceptance/test_notebook.py` runs it and compares the outputs.
"""

from pathlib import Path

import nbformat

from docs.generate.notebook import picture
from docs.notebook import KERNEL, NOTEBOOK
from tests.conftest import ROOT

COMMITTED = nbformat.read(NOTEBOOK, as_version=4)
CODE = [cell for cell in COMMITTED.cells if cell.cell_type == "code"]
LARGEST_PICTURE = 150_000


def test_its_cells_were_run_in_order_and_without_errors() -> None:
    assert [cell.execution_count for cell in CODE] == list(range(1, len(CODE) + 1))
    assert all(cell.outputs for cell in CODE)
    # No error, and nothing on the error stream.
    assert {output.output_type for cell in CODE for output in cell.outputs} <= {"execute_result", "display_data"}


def test_it_tells_nothing_of_machine_version_or_time() -> None:
    assert COMMITTED.metadata == {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    assert [cell.metadata for cell in COMMITTED.cells] == [{}] * len(COMMITTED.cells)
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert [folder for folder in (ROOT, Path.home()) if f"{folder}/" in text] == []


def test_its_picture_is_small() -> None:
    assert 0 < len(picture()) < LARGEST_PICTURE
