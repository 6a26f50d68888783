"""CSV: RFC 4180, with a header, in UTF-8; a broken row is one record, and spoils no other."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mesh_defs.contract.contract import RestContract
from mesh_defs.decode.envelope.opened import Opened
from mesh_defs.decode.refusal import Refusal
from mesh_defs.decode.rest.documents import documents
from mesh_defs.decode.rest.records import MalformedFileError, Records, batched, physical_lines
from mesh_defs.decode.rest.text import Quoted, column
from mesh_defs.model.records import RawBatch, Stage

COMMA: Final = ","

_LONGEST_ROW: Final = 1 << 20
"""Bytes: a quote that is not closed within them was never meant to be."""


class CsvFile:
    """The rows of one file.

    A line feed inside quotes belongs to the field. Where quotes do not come out even, the line that began the row is a
    row by itself, which its tokens refuse, and the next one begins anew.

    Args:
        chunks: The file's bytes.
        delimiter: One character.

    Attributes:
        header: The names of the columns.

    Raises:
        MalformedFileError: There is no header, it names a column twice, or lines end in other signs.
    """

    def __init__(self, chunks: Iterable[bytes], delimiter: str = COMMA) -> None:
        self._tokens = Tokens(delimiter)
        self._lines = physical_lines(chunks)
        self._given_back: deque[bytes] = deque()
        self._rows = self._split()
        self.header = self._read_header()

    def batches(self) -> Iterator[Records]:
        """Yield the rows below the header; blank lines are none, unless a line is one column.

        Raises:
            MalformedFileError: A line is longer than any record may be.
        """
        several = len(self.header) > 1
        return batched((line, row) for line, row in self._rows if row or not several)

    def _read_header(self) -> tuple[str, ...]:
        line, first = next(((line, row) for line, row in self._rows if row), (1, b""))
        if not first:
            raise MalformedFileError("the file is empty: it lacks even a header")
        try:
            fields = self._tokens.fields(first)
        except Refusal as refusal:
            raise MalformedFileError(f"the header cannot be read: {refusal.message}", line) from None
        if any("\r" in field and not isinstance(field, Quoted) for field in fields):
            # The whole file would be its header, and a snapshot of it empty.
            raise MalformedFileError("lines end in a carriage return alone, not in a line feed", line)
        names = tuple(map(str, fields))
        if any(count > 1 for count in Counter(names).values()):
            raise MalformedFileError("the header names a column twice", line)
        return names

    def _split(self) -> Iterator[tuple[int, bytes]]:
        """Yield each row with the line that it begins in, from 1."""
        number = 1
        while (line := self._next_line()) is not None:
            row = line
            if line.count(b'"') % 2:
                row = self._whole(line)
            yield number, row.removesuffix(b"\r")
            number += 1 + row.count(b"\n")

    def _next_line(self) -> bytes | None:
        return self._given_back.popleft() if self._given_back else next(self._lines, None)

    def _whole(self, line: bytes) -> bytes:
        """Return the row that a line with an open quote begins, or the line itself where that makes no row."""
        parts, size = [line], len(line)
        while size < _LONGEST_ROW and (more := self._next_line()) is not None:
            parts.append(more)
            size += len(more)
            if more.count(b'"') % 2:
                row = b"\n".join(parts)
                if self._tokens.is_row(row.removesuffix(b"\r")):
                    return row
                break
        self._given_back.extendleft(reversed(parts[1:]))
        return line


class Tokens:
    """The fields of a row.

    Args:
        delimiter: One character.
    """

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        sign = re.escape(delimiter)
        self._field = re.compile(rf'(?:"([^"]*(?:""[^"]*)*)"|([^"{sign}]*))({sign}|\Z)')

    def fields(self, row: bytes) -> Sequence[str]:
        """Return the fields; those that stood in quotes are `Quoted`.

        Raises:
            Refusal: It is no UTF-8, or its quotes do not come out even.
        """
        try:
            text = row.decode()
        except UnicodeDecodeError:
            raise Refusal("utf8", "the row is no UTF-8", stage=Stage.DECODE) from None
        if '"' not in text:
            return text.split(self._delimiter)
        found: list[str] = []
        position = 0
        while True:
            match = self._field.match(text, position)
            if match is None:
                message = "the row is no CSV: a quote stands inside a field without quotes, or is not closed"
                raise Refusal("csv_syntax", message, stage=Stage.DECODE)
            inside, plain, end = match.groups()
            found.append(plain if inside is None else Quoted(inside.replace('""', '"')))
            if not end:
                return found
            position = match.end()

    def is_row(self, row: bytes) -> bool:
        """Say whether the quotes of a row come out even. What is no UTF-8 is judged later."""
        try:
            self.fields(row)
        except Refusal as refusal:
            return refusal.rule == "utf8"
        return True


class CsvRows:
    """Takes rows for envelopes, and hands over the JSON documents that they mean.

    Args:
        contract: Of the data at rest.
        header: Of the file.
    """

    def __init__(self, contract: RestContract, header: Sequence[str]) -> None:
        types = {c.name: c.type for c in contract.columns}
        self._columns = [(name, types.get(name)) for name in header]
        self._nulls = frozenset(["", *contract.null_text])
        self._tokens = Tokens(contract.delimiter or COMMA)

    def open(self, batch: RawBatch) -> Opened:
        """Return each row's document; a row that cannot be told into fields is refused."""
        refused: dict[int, Refusal] = {}
        rows: list[Sequence[str]] = []
        for index, value in enumerate(batch.values):
            try:
                rows.append(self._fields(value or b""))
            except Refusal as refusal:
                refused[index] = refusal
        found = iter(self._documents(rows))
        payloads = [None if index in refused else next(found) for index in range(len(batch))]
        return Opened(payloads=payloads, headers=batch.headers, refused=refused)

    def _fields(self, row: bytes) -> Sequence[str]:
        fields = self._tokens.fields(row)
        if len(fields) != len(self._columns):
            message = f"the row has {len(fields)} fields, the header {len(self._columns)}"
            raise Refusal("field_count", message, stage=Stage.DECODE)
        return fields

    def _documents(self, rows: Sequence[Sequence[str]]) -> list[bytes]:
        if not rows:
            return []
        written = [
            (name, type_, column(type_, fields, self._nulls))
            for (name, type_), fields in zip(self._columns, zip(*rows, strict=True), strict=True)
        ]
        known = [(name, values) for name, type_, values in written if type_ is not None]
        others = [(name, values) for name, type_, values in written if type_ is None]
        return documents(known, others, len(rows))
