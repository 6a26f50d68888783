"""What `logicalTypeOptions.format` of a string demands, in the sense of JSON Schema 2020-12, section 7.3."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Final

from mesh_defs.decode.columns.patterns import DATE_TIME, FULL_DATE, FULL_TIME, UUID

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
"""RFC 5321, section 4.1.2, without quoted local parts and address literals."""

_HOSTNAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
"""RFC 1123, section 2.1."""

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
"""RFC 3986: a scheme, then none but the characters that a URI may hold."""

_LONGEST_LOCAL: Final = 64
_LONGEST_NAME: Final = 253


def _email(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    short = len(local) <= _LONGEST_LOCAL and len(domain) <= _LONGEST_NAME
    return short and _EMAIL.fullmatch(text) is not None


def _hostname(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and _HOSTNAME.fullmatch(text) is not None


def _uri(text: str) -> bool:
    return _URI.fullmatch(text) is not None


def _ipv4(text: str) -> bool:
    return _parses(ipaddress.IPv4Address, text)


def _ipv6(text: str) -> bool:
    # A zone (RFC 4007) belongs to a machine's interface, not to the address.
    return "%" not in text and _parses(ipaddress.IPv6Address, text)


def _uuid(text: str) -> bool:
    return UUID.fullmatch(text) is not None


def _date(text: str) -> bool:
    return FULL_DATE.fullmatch(text) is not None and _parses(dt.date.fromisoformat, text)


def _time(text: str) -> bool:
    match = FULL_TIME.fullmatch(text)
    return match is not None and (match[2] is None or _parses(dt.time.fromisoformat, match[2]))


def _date_time(text: str) -> bool:
    return DATE_TIME.fullmatch(text) is not None and _date(text[:10]) and _time(text[11:])


def _parses(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "uuid": _uuid,
    "email": _email,
    "uri": _uri,
    "hostname": _hostname,
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "date": _date,
    "time": _time,
    "date-time": _date_time,
}
