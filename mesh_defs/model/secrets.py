"""What of a configuration is a secret, and how it is shown: for people who look at a screen together."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

HIDDEN: Final = "********"

_WORDS: Final = (
    "passw(?:or)?d|passphrase|secret|token|credential|api[._-]?key|user[._-]?info|jaas|kinit"
    "|(?<![a-z])pem(?![a-z])|oauthbearer[._]config|oauthbearer[._]extensions"
)
_SECRET_KEY: Final = re.compile(_WORDS, re.IGNORECASE)
# Up to the last @ before the next address: passwords hold what no address should.
_USER_INFO: Final = re.compile(r"(?<=://)(?:(?!://)\S)*@")
_QUESTION: Final = re.compile(r"(?<=://)((?:(?!://)[^\s?])*\?)[^\s,]+")
_COMMAND_WORDS: Final = rf"{_WORDS}|(?:(?<![a-z])|(?<=pg))pass(?![a-z])|pwd|(?<![a-z])auth(?![a-z])"
"""In commands short names are usual as well, and to hide a word too much harms nobody."""

_OPTION: Final = re.compile(
    rf"((?<!\S)[\w.-]*(?:{_COMMAND_WORDS})[\w.-]*(?:=|\s+(?!-)))(\"[^\"]*\"|'[^']*'|\S+)", re.IGNORECASE
)
_CREDENTIALS: Final = re.compile(
    r"((?:bearer|basic)\s+|(?<!\S)(?:-u|--user)(?:\s+|=)\S+?:)([^\s\"']+)", re.IGNORECASE
)
"""What stands in a header `Authorization`, and behind a user's name."""

_PLACEHOLDER: Final = re.compile(r"[\"']?\$\{\w+\}[\"']?")


def shown_text(text: str, secrets: Collection[str] = ()) -> str:
    """Return a text without the credentials and questions of addresses in it, and without known secrets.

    Args:
        text: A value of a configuration.
        secrets: Texts that are hidden wherever they stand.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _QUESTION.sub(rf"\g<1>{HIDDEN}", _USER_INFO.sub(f"{HIDDEN}@", text))


def shown_table(table: Mapping[str, str], secrets: Collection[str] = ()) -> dict[str, str]:
    """Return a table with the values hidden whose keys name a secret, and all others as `shown_text` has them."""
    return {
        key: HIDDEN if _SECRET_KEY.search(key) else shown_text(value, secrets) for key, value in table.items()
    }


def shown_command(written: str) -> str:
    """Return a command as it is written, but the values of options and variables that name a secret."""

    def value(match: re.Match[str]) -> str:
        return match[0] if _PLACEHOLDER.fullmatch(match[2]) else f"{match[1]}{HIDDEN}"

    return shown_text(_CREDENTIALS.sub(value, _OPTION.sub(value, written)))
