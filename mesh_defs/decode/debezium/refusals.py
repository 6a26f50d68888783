"""Verdicts on envelopes."""

from __future__ import annotations

from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Stage


def refusal(rule: str, message: str, path: str = "") -> Refusal:
    """Return a verdict of the envelope's stage."""
    return Refusal(rule, message, path, Stage.ENVELOPE)
