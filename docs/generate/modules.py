"""The page of modules: every module of `params`, `flows`, `tasks` and `faces` with its first line of documentation."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

INTRODUCTION = """\
# Modules

`python -m docs.generate` writes this page from the docstrings. [Code structure](rooms.md) explains the
layers and their rules.
"""


def page() -> str:
    """Return the page: a section per package, a row per module."""
    parts = [INTRODUCTION]
    for layer in ("params", "flows", "tasks", "faces"):
        for folder in sorted({path.parent for path in (ROOT / layer).rglob("*.py")}):
            parts.append(_package(folder))
    return "".join(parts)


def _package(folder: Path) -> str:
    rows = [
        f"| `{path.stem}` | {_summary(path)} |\n" for path in sorted(folder.glob("*.py")) if path.stem != "__init__"
    ]
    title = f"\n## `{folder.relative_to(ROOT)}`\n\n{_summary(folder / '__init__.py')}\n"
    head = title + "\n| module | what it does |\n| --- | --- |\n"
    return head + "".join(rows) if rows else ""


def _summary(path: Path) -> str:
    """Return the first paragraph of a module's docstring on one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" if path.exists() else ""
    return " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|")
