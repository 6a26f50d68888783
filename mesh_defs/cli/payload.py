"""Bytes of records as a person or a program is shown them."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def encoded(value: Any) -> Any:
    """Return a value for JSON: bytes are base64, also in headers."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [{name: encoded(part) for name, part in header.items()} for header in value]
    return value


def readable(value: Any) -> str | None:
    """Return a value for eyes: bytes are text as far as they are UTF-8, a header is a line."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, list):
        return "\n".join(f"{header['name']}: {readable(header['value'])}" for header in value) or None
    return value if value is None else str(value)


def instant(milliseconds: int) -> str | None:
    """Return a record's timestamp in RFC 3339, the number where no calendar has it, None where it has none."""
    if milliseconds < 0:
        return None
    try:
        moment = _EPOCH + dt.timedelta(milliseconds=milliseconds)
    except OverflowError:
        return f"{milliseconds} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
