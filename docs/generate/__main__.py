"""Write the generated pages and the figure of the pipeline: `python -m docs.generate`. `make docs` does so first."""

from collections.abc import Callable
from pathlib import Path

from docs.generate import command_line, modules, pipeline_figure, settings, stages
from tasks.common.files import replacing

DOCS = Path(__file__).resolve().parent.parent

PAGES: dict[str, Callable[[], str]] = {
    "reference/settings.md": settings.page,
    "reference/cli.md": command_line.page,
    "reference/stages.md": stages.page,
    "reference/modules.md": modules.page,
    "pipeline.svg": pipeline_figure.svg,
}
"""What makes each file of docs/."""


def main() -> None:
    for name, make in PAGES.items():
        with replacing(DOCS / name) as temporary:
            temporary.write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
