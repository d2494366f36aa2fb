"""Bounds the size of a CSV's rows while it is read, so that no file exhausts the memory; says what is wrong in one."""

import codecs
import io
import re
from typing import BinaryIO

from tasks.orchestration.artifacts import counted

MAX_ROW_BYTES = 16 * 2**20
"""A row of a 96x96 face takes 40 kB."""
MAX_CELLS = 10_000
"""Of one row; a face with one pixel per cell takes 9,247."""
BLOCK = 2**18
EXPORT = "export it as UTF-8 CSV"

# As pandas reads quotes: a cell is quoted if it begins with one, and two quotes are an escaped one.
_QUOTED = re.compile(rb'(?<=[,\r\n])"(?:[^"]++|"")*+("?)')
_REST = re.compile(rb'(?:[^"]++|"")*+("?)')
_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"
# How pandas says it; its lines and rows begin at the header, with 1 and with 0.
_TOO_MANY = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_UNCLOSED = re.compile(r"EOF inside string starting at row (\d+)")


class RowTooLarge(Exception):
    """A row exceeds a bound. The message names the row (`row 12`, or `header`), the reason and the remedy."""


class BoundedRows(io.BufferedIOBase):
    """The bytes of a CSV. Reading raises RowTooLarge at a row of more than MAX_ROW_BYTES bytes or MAX_CELLS cells.

    `ended` counts the rows that were read to their end, including the header; quoted line breaks do not end a row.
    """

    def __init__(self, handle: BinaryIO) -> None:
        super().__init__()
        self.ended = 0
        self._handle = handle
        self._waiting = bytearray()
        self._row = self._commas = 0  # bytes and commas of the row that has not ended
        self._quoted = self._closed = self._at_end = False
        self._before = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        while not self._at_end and (size is None or size < 0 or not self._waiting):
            self._fetch()
        count = len(self._waiting) if size is None or size < 0 else size
        data = bytes(self._waiting[:count])
        del self._waiting[:count]
        return data

    def read1(self, size: int = -1, /) -> bytes:
        return self.read(BLOCK if size < 0 else size)

    def look_ahead(self, ended: int, max_bytes: int) -> bool:
        """Fetch until `ended` rows have ended, or `max_bytes` wait with at least one row; whether the file ended."""
        before = self.ended
        while not self._at_end and self.ended < ended:
            if len(self._waiting) >= max_bytes and self.ended > before:
                break
            self._fetch()
        return self._at_end

    def _fetch(self) -> None:
        block = self._handle.read(BLOCK)
        self._at_end = not block
        self._count(self._without_quoted(block))
        self._waiting += block

    def _without_quoted(self, block: bytes) -> bytes:
        """The block, with quoted text replaced by blanks."""
        if not self._before:
            block, self._before = block.removeprefix(_BOM), b"\n"
        if b'"' in block or self._quoted:
            return self._blanked(block)
        self._before, self._closed = block[-1:] or self._before, False
        return block

    def _blanked(self, block: bytes) -> bytes:
        start = 0
        if self._quoted or (self._closed and block[:1] == b'"'):
            rest = _REST.match(block, 0 if self._quoted else 1)
            assert rest
            start, self._quoted, self._before = rest.end(), not rest.group(1), b'"'
        # With the byte before: it decides whether a quote begins a cell.
        text, pieces, at = self._before + block[start:], [b" " * start], 1
        self._closed = start == len(block) and not self._quoted
        for match in _QUOTED.finditer(text):
            pieces += [text[at : match.start()], b" " * len(match.group())]
            at, self._quoted = match.end(), not match.group(1)
            self._closed = at == len(text) and not self._quoted
        self._before = text[-1:]
        return b"".join([*pieces, text[at:]])

    def _count(self, block: bytes) -> None:
        """Count the rows and cells of a block without quotes."""
        if self._row + len(block) > MAX_ROW_BYTES or self._commas + block.count(b",") >= MAX_CELLS:
            self._count_each(block)
            return
        last = max(block.rfind(b"\n"), block.rfind(b"\r"))
        self.ended += block.count(b"\n") or block.count(b"\r")
        self._row = len(block) - last - 1 + (self._row if last < 0 else 0)
        self._commas = block.count(b",", last + 1) + (self._commas if last < 0 else 0)

    def _count_each(self, block: bytes) -> None:
        for number, row in enumerate(_END.split(block)):
            if number:
                self.ended, self._row, self._commas = self.ended + 1, 0, 0
            self._row += len(row)
            self._commas += row.count(b",")
            where = f"row {self.ended}" if self.ended else "header"
            if self._row > MAX_ROW_BYTES:
                raise RowTooLarge(
                    f"{where}: longer than {MAX_ROW_BYTES // 2**20} MiB; close its quotes, or end its line"
                )
            if self._commas >= MAX_CELLS:
                raise RowTooLarge(f"{where}: more than {MAX_CELLS:,} cells; put all pixels into one cell")


def parser_problem(message: str) -> str:
    """Row, reason and remedy of what pandas cannot parse, from its message."""
    if found := _TOO_MANY.search(message):
        cells, line, seen = map(int, found.groups())
        return (
            f"row {line - 1}: {counted(seen, 'cell')}, but the header has {counted(cells, 'column')}; quote or mend it"
        )
    if found := _UNCLOSED.search(message):
        return f"row {found[1]}: a quote is not closed, and the file ends; close or remove it"
    return f"not readable as CSV ({message.strip()}); {EXPORT}"


def encoding_problem(handle: BinaryIO) -> str:
    """Why a text is not UTF-8, and where: the line and its first byte that is not."""
    decoder, lines = codecs.getincrementaldecoder("utf-8")(), 1
    for block in iter(lambda: handle.read(BLOCK), b""):
        if lines == 1 and (block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in block[:1000]):
            return f"not readable as CSV text: it is UTF-16, or no text at all; {EXPORT}"
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            content, at = error.object, error.start
            lines += content.count(b"\n", 0, at) or content.count(b"\r", 0, at)
            found = f"line {lines}: byte 0x{content[at]:02x}"
            return f"not readable as CSV text ({found} is not UTF-8, but perhaps Latin-1 or Windows-1252); {EXPORT}"
        lines += block.count(b"\n") or block.count(b"\r")
    return f"not readable as CSV text (its last character is cut off); {EXPORT}"
