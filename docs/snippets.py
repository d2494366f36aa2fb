"""The blocks of README and documentation that a reader may copy, and how each is tested: `python -m docs.snippets`.

A fenced block in `bash`, `python` or `yaml` has one of these comments on the line before it:

- `<!-- run -->`: tests/acceptance/test_docs.py runs it.
- `<!-- settings -->`: tests/docs/test_snippets.py puts these keys into the settings and checks them.
- `<!-- tested in: FILE, ... -->`: these tests or scripts run such commands.
- `<!-- not run: REASON -->`: it cannot run in a test.
"""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("bash", "python", "yaml")
WAYS = ("run", "settings", "tested in", "not run")
PAGES = ("README.md", "CONTRIBUTING.md", "docs/**/*.md")


class Snippet(NamedTuple):
    """A block: `way` is one of WAYS, or empty if the block has no comment; `detail` are the files, or the reason."""

    page: str
    line: int
    language: str
    way: str
    detail: str
    text: str


def pages() -> list[Path]:
    """Return the pages that have blocks, in the order of PAGES."""
    return [path for pattern in PAGES for path in sorted(ROOT.glob(pattern))]


def snippets_of(path: Path) -> list[Snippet]:
    """Return the blocks of a page in LANGUAGES, without indentation."""
    fence = re.compile(
        r"^(?P<indent> *)(?:<!-- (?P<way>[a-z ]+?)(?:: (?P<detail>.+?))? -->\n *)?"
        r"```(?P<language>\w+)\n(?P<text>.*?)^ *```$",
        re.M | re.S,
    )
    content, found = path.read_text(encoding="utf-8"), []
    for match in fence.finditer(content):
        indent = len(match["indent"])
        text = "".join(line[indent:] for line in match["text"].splitlines(keepends=True))
        line = content[: match.start("language")].count("\n") + 1
        if match["language"] in LANGUAGES:
            name = path.relative_to(ROOT).as_posix()
            found.append(Snippet(name, line, match["language"], match["way"] or "", match["detail"] or "", text))
    return found


def snippets() -> list[Snippet]:
    """Return the blocks of all pages."""
    return [snippet for path in pages() for snippet in snippets_of(path)]


def main() -> None:
    found = snippets()
    for one in found:
        print(f"{one.page}:{one.line}: {one.language}, {one.way}{f': {one.detail}' if one.detail else ''}")
    counts = Counter(one.way for one in found)
    print(f"{len(found)} blocks: " + ", ".join(f"{counts[way]} {way}" for way in WAYS))


if __name__ == "__main__":
    main()
