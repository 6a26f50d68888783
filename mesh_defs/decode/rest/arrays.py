"""The documents of one JSON array, found by its brackets: a bad element spoils no other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from mesh_defs.decode.rest.lines import SPACE
from mesh_defs.decode.rest.records import MAX_RECORD, MalformedFileError, Records, batched, without_mark

_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(")?|[\[\]{},]', re.DOTALL)
"""A string, its last quote missing where the text is cut off inside it; or a sign that makes structure."""


def json_array(chunks: Iterable[bytes]) -> Iterator[Records]:
    """Yield the elements of a file that is one JSON array, whatever they are.

    Raises:
        MalformedFileError: It is no array, does not end, or something stands behind its end.
    """
    return batched(_Scanner(chunks).elements())


class _Scanner:
    """Finds where elements begin and end, holding one element and one chunk at a time."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(without_mark(chunks))
        self._text = b""
        self._start = 0
        self._seen = 0
        self._depth = 0
        self._line = 1

    def elements(self) -> Iterator[tuple[int, bytes]]:
        """Yield each element with the line that it begins in."""
        self._open()
        first = True
        while True:
            end = self._end()
            last = self._text[end : end + 1] == b"]"
            line, element = self._take(end)
            if element or not (first and last):
                yield line, element
            first = False
            if last:
                self._close()
                return

    def _open(self) -> None:
        while not self._text.strip(SPACE):
            self._more("the file is no JSON array")
        at = len(self._text) - len(self._text.lstrip(SPACE))
        if self._text[at : at + 1] != b"[":
            raise MalformedFileError("the file is no JSON array", self._line_of(at))
        self._go(at + 1)

    def _end(self) -> int:
        """Return where the element at hand ends: at the comma or the bracket behind it."""
        while True:
            for found in _TOKEN.finditer(self._text, self._seen):
                sign = found[0]
                if sign[:1] == b'"':
                    if found[1] is None:
                        self._seen = found.start()
                        break
                elif sign in b"[{":
                    self._depth += 1
                elif self._depth:
                    self._depth -= sign != b","
                elif sign == b"}":
                    line = self._line_of(found.start())
                    raise MalformedFileError("a bracket closes what was not opened", line)
                else:
                    return found.start()
                self._seen = found.end()
            self._more("the array does not end")

    def _take(self, end: int) -> tuple[int, bytes]:
        """Return the element that ends there, with its line, and go on behind it."""
        whole = self._text[self._start : end]
        element = whole.strip(SPACE)
        line = self._line_of(self._start + len(whole) - len(whole.lstrip(SPACE)))
        self._go(end + 1)
        return line, element

    def _close(self) -> None:
        while True:
            if self._text[self._start :].strip(SPACE):
                raise MalformedFileError("something stands behind the end of the array", self._line)
            chunk = next(self._chunks, None)
            if chunk is None:
                return
            self._text, self._start = chunk, 0

    def _more(self, message: str) -> None:
        """Read on, letting go of what lies behind.

        Raises:
            MalformedFileError: There is no more, which the message tells; or the element is too long.
        """
        chunk = next(self._chunks, None)
        if chunk is None:
            raise MalformedFileError(message, self._line)
        rest = self._text[self._start :]
        if len(rest) > MAX_RECORD:
            raise MalformedFileError(f"an element of more than {MAX_RECORD:,} bytes", self._line)
        self._seen -= self._start
        self._text, self._start = rest + chunk, 0

    def _go(self, at: int) -> None:
        self._line = self._line_of(at)
        self._start = self._seen = at

    def _line_of(self, at: int) -> int:
        return self._line + self._text.count(b"\n", self._start, at)
