"""Write the generated pages and figures: `python -m docs.generate`. `make docs` does so first."""

from collections.abc import Callable
from pathlib import Path

from docs.generate import command_line, modules, notebook, pipeline_figure, settings, stages
from tasks.common.files import replacing

DOCS = Path(__file__).resolve().parent.parent

PAGES: dict[str, Callable[[], str | bytes]] = {
    "reference/settings.md": settings.page,
    "reference/cli.md": command_line.page,
    "reference/stages.md": stages.page,
    "reference/modules.md": modules.page,
    "pipeline.svg": pipeline_figure.svg,
    "tutorials/score-from-python.md": notebook.page,
    "tutorials/score-from-python.png": notebook.picture,
}
"""What makes each file of docs/."""


def content(name: str) -> bytes:
    """The content of a file of docs/, as it has to be."""
    made = PAGES[name]()
    return made if isinstance(made, bytes) else made.encode()


def main() -> None:
    for name in PAGES:
        with replacing(DOCS / name) as temporary:
            temporary.write_bytes(content(name))


if __name__ == "__main__":
    main()
