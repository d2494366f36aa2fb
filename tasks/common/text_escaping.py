"""Text from outside, such as the name of a file, where a person sees it: in a terminal, a log or Markdown."""

import re

from tasks.common.files import readable

# C0 and C1 controls, which move a terminal's cursor or end a line, and those that turn the direction of writing.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()<>#!|~&:@]|(?<=www)\.", re.IGNORECASE)


def visible(text: str, lines: bool = False) -> str:
    """The text with control characters written out, `\\x1b`; line breaks too, unless it has `lines` of its own."""
    text = _CONTROLS.sub(lambda match: match.group().encode("unicode_escape").decode(), readable(text))
    return text if lines else text.replace("\n", "\\n")


def markdown(text: str) -> str:
    """The text on one line, so that Markdown shows it as it is: no link, picture, HTML or table cell comes of it."""
    return _MARKDOWN.sub(r"\\\g<0>", visible(text))
