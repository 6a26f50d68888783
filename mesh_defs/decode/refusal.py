"""Why a record cannot become a row."""

from __future__ import annotations

from mesh_defs.model.records import Stage


class Refusal(Exception):  # noqa: N818 - a verdict on a record, not an error of the program
    """A record's verdict: it travels as an exception inside the decoder, and leaves it as a dead letter.

    Args:
        rule: A short stable word.
        message: A sentence about types and limits; it never quotes the payload.
        path: Where, from the value at hand: `.route.origin`, `[3]`; empty for the value itself.
        stage: Where on its way the record turned out to be bad.
    """

    def __init__(self, rule: str, message: str, path: str = "", stage: Stage = Stage.VALIDATE) -> None:
        super().__init__(rule, message, path, stage)
        self.rule = rule
        self.message = message
        self.path = path
        self.stage = stage

    def within(self, step: str) -> Refusal:
        """Return the same verdict, seen from the value that holds this one at `step`."""
        return Refusal(self.rule, self.message, step + self.path, self.stage)
