"""Posting what waits in the outbox to the webhooks."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Final

from mesh_defs.alerts.outbox import Outbox, Pending

POST_SECONDS: Final = 5.0
"""How long a webhook may be silent."""

BUDGET_SECONDS: Final = 20.0
"""How long one round lasts, over all webhooks; what is left waits for the next."""

BATCH: Final = 200
"""Messages a webhook and round."""

_REFUSALS: Final = 3
"""After so many answers other than 2xx a webhook is left alone until the next round."""

_OK: Final = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one round did.

    Attributes:
        taken: Messages that a webhook answered with 2xx.
        waiting: Messages that wait for the next round.
        troubles: What went wrong, a line a webhook, by its place in `mesh.toml`; never its address.
    """

    taken: int
    waiting: int
    troubles: tuple[str, ...]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes no redirection: urllib would follow it with a GET, whose answer proves nothing."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Refuse; the redirection itself is then the answer."""


def deliver(outbox: Outbox, *, budget: float = BUDGET_SECONDS) -> Delivery:
    """Post what waits, oldest first, to each webhook on its own.

    A message is forgotten only after a 2xx; a process that dies in between posts it again, with the same key.
    Messages of one incident keep their order; one that is refused does not hold up those of others.

    Args:
        outbox: What waits.
        budget: Seconds in which a post may begin, shared fairly among the webhooks.
    """
    taken, troubles = 0, []
    share = budget / max(1, len(outbox.webhooks))
    for place, (hook, url) in enumerate(outbox.webhooks.items(), start=1):
        count, trouble = _deliver_to(outbox, hook, url, time.monotonic() + share)
        taken += count
        if trouble is not None:
            troubles.append(f"webhook {place}: {trouble}")
    return Delivery(taken=taken, waiting=outbox.waiting(), troubles=tuple(troubles))


def _deliver_to(outbox: Outbox, hook: str, url: str, deadline: float) -> tuple[int, str | None]:
    taken, refused, trouble = 0, set[str](), None
    for message in outbox.pending(hook, BATCH):
        if message.key in refused:
            continue
        if time.monotonic() >= deadline or len(refused) >= _REFUSALS:
            break
        try:
            status = _post(url, message)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return taken, f"no answer ({type(error).__name__})"
        if status in _OK:
            outbox.taken(message)
            taken += 1
        else:
            refused.add(message.key)
            trouble = f"answered {status}"
    return taken, trouble


def _post(url: str, message: Pending) -> int:
    """Post one message and return the answer's status."""
    request = urllib.request.Request(  # noqa: S310 - the opener below speaks HTTP and HTTPS only
        url,
        data=message.body.encode(),
        method="POST",
        headers={
            "Content-Type": "application/cloudevents+json; charset=UTF-8",
            "Idempotency-Key": message.message_id,
            "User-Agent": "mesh-alerts",
        },
    )
    try:
        with _OPENER.open(request, timeout=POST_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        _NoRedirect(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


_OPENER: Final = _opener()
