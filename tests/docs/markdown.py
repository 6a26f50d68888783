"""Reads a page's fenced blocks, with what its HTML comments say of them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!-- (file|not run|first): ((?:(?!-->).)*) -->\n\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block.

    Attributes:
        page: The page's path.
        line: Of the opening fence.
        language: `sh`, `python`, `sql`, `text`, `yaml`, ...
        file: Where the reader puts it, from a comment `file: PATH` just above.
        not_run: Why no test runs it, from a comment `not run: REASON` just above.
        first: A command that the test runs before it, from a comment `first: COMMAND` just above.
        output: What the page says it prints: the next block, where that is `text` and nothing stands between.
    """

    page: Path
    line: int
    language: str
    text: str
    file: str | None = None
    not_run: str | None = None
    first: str | None = None
    output: str | None = None

    @property
    def where(self) -> str:
        """Where it stands, for messages."""
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in order; an output is part of the block before it."""
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    outputs = {
        before.start(): after
        for before, after in itertools.pairwise(found)
        if after[1] == "text" and not text[before.end() : after.start()].strip()
    }
    taken = {match.start() for match in outputs.values()}
    for match in found:
        if match.start() in taken:
            continue
        said = COMMENT.search(text[: match.start()])
        output = outputs.get(match.start())
        yield Block(
            page=page,
            line=text.count("\n", 0, match.start()) + 1,
            language=match[1],
            text=match[2],
            output=output[2] if output else None,
            **({said[1].replace(" ", "_"): said[2]} if said else {}),
        )
