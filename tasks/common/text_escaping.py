"""Escape untrusted text, such as a file name, for a terminal, a log or Markdown."""

import re

from tasks.common.files import readable

# C0 and C1 controls, which move a terminal's cursor or end a line, and controls of the writing direction.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()<>#!|~&:@]|(?<=www)\.", re.IGNORECASE)


def visible(text: str, lines: bool = False) -> str:
    """The text with control characters escaped as `\\x1b`; line breaks too, unless `lines` is true."""
    text = _CONTROLS.sub(lambda match: match.group().encode("unicode_escape").decode(), readable(text))
    return text if lines else text.replace("\n", "\\n")


def markdown(text: str) -> str:
    """The text on one line, escaped so that Markdown shows it literally: no link, image, HTML or table cell."""
    return _MARKDOWN.sub(r"\\\g<0>", visible(text))
