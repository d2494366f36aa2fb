"""File names as text: bytes that are not UTF-8 are escaped, so that the file can be found again."""

import re

from tasks.files import UNDECODED, readable

ESCAPED = re.compile(r"\\x(5c|[89a-f][0-9a-f])")


def text_of(source: str) -> str:
    r"""The text by which tables and lists name a source: itself, or, where it is not UTF-8, with those bytes as `\xNN`.

    Reversible, so no two sources share a text: where such an escape is part of the name, its backslash is escaped.
    """
    if UNDECODED.search(source) or ESCAPED.search(source):
        source = source.replace("\\", r"\x5c")
    return readable(source)


def source_of(text: str) -> str:
    """The source that `text_of` wrote."""
    return ESCAPED.sub(lambda found: "\\" if found[1] == "5c" else chr(0xDC00 + int(found[1], 16)), text)
