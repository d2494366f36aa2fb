"""Runs the notebook of the tutorials and writes its outputs into it: `python -m docs.notebook`.

`python -m docs.generate` then writes the page that the site shows. Takes a minute on two cores.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

from tasks.common.files import replacing

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "docs/tutorials/score-from-python.ipynb"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def executed(notebook: NotebookNode) -> NotebookNode:
    """Run all cells in a new kernel in the checkout, in place, and return the notebook.

    The metadata does not depend on machine, time or version. Raises CellExecutionError if a cell fails.
    """
    with TemporaryDirectory() as folder:
        # Over sockets in files, which other users cannot connect to, not over TCP.
        kernel = AsyncKernelManager(
            kernel_name=KERNEL["name"], transport="ipc", connection_file=f"{folder}/kernel.json"
        )
        client = NotebookClient(notebook, kernel, record_timing=False, resources={"metadata": {"path": str(ROOT)}})
        # Nothing of the user's own configuration, such as a startup script of IPython, takes part.
        client.execute(cleanup_kc=True, env={**os.environ, "IPYTHONDIR": folder})
    notebook.metadata = NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    for cell in notebook.cells:
        cell.metadata = NotebookNode()
    return notebook


def main() -> None:
    notebook = executed(nbformat.read(NOTEBOOK, as_version=4))
    with replacing(NOTEBOOK) as temporary:
        temporary.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
