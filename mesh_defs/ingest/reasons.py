"""What people say for a decision that stays."""

from __future__ import annotations

from mesh_defs.model.errors import ConfigError


def demand_reason(what: str, reason: str) -> None:
    """Refuse a decision without a reason.

    Args:
        what: Is decided; completes "cannot".
        reason: What the person said.

    Raises:
        ConfigError: They said nothing.
    """
    if not reason.strip():
        raise ConfigError(
            cannot=what,
            why="the reason is empty, and whoever looks at it later will ask for one",
            do="say in --reason why it is right",
        )
