"""The page of the tutorials' notebook, with its outputs. `python -m docs.notebook` runs the notebook."""

from base64 import b64decode

import nbformat
from nbformat import NotebookNode

from docs.notebook import NOTEBOOK

PICTURE = f"{NOTEBOOK.stem}.png"
CAPTION = "Five drawn faces, one of each emotion, with labelled and predicted keypoints"
TESTED = "<!-- tested in: tests/acceptance/test_notebook.py -->"
NOTE = f"""\
*This page is the notebook [{NOTEBOOK.name}]({NOTEBOOK.name}) with its outputs.*
"""


def page() -> str:
    """Return the page: the text of the notebook, its code, and the outputs as text; the note follows the title."""
    title, *parts = (part for cell in _cells() for part in _parts(cell))
    return "\n".join([title, NOTE, *parts])


def picture() -> bytes:
    """Return the only picture among the outputs, a PNG file."""
    (found,) = (one.data["image/png"] for cell in _cells() for one in _outputs(cell) if _is_picture(one))
    return b64decode(found)


def text_of(output: NotebookNode) -> str:
    """Return an output as text, with one line end; empty for a picture."""
    text = "" if _is_picture(output) else output.text if "text" in output else output.data["text/plain"]
    return f"{text.rstrip()}\n" if text else ""


def _cells() -> list[NotebookNode]:
    return list(nbformat.read(NOTEBOOK, as_version=4).cells)


def _parts(cell: NotebookNode) -> list[str]:
    if cell.cell_type == "markdown":
        return [f"{part}\n" for part in cell.source.split("\n\n")]
    outputs = [
        f"![{CAPTION}]({PICTURE})\n" if _is_picture(one) else _block("text", text_of(one)) for one in _outputs(cell)
    ]
    return [f"{TESTED}\n{_block('python', cell.source)}", *outputs]


def _outputs(cell: NotebookNode) -> list[NotebookNode]:
    return list(cell.get("outputs", []))


def _is_picture(output: NotebookNode) -> bool:
    return "image/png" in output.get("data", {})


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```\n"
