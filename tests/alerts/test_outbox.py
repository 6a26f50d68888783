"""The outbox and its delivery, to real HTTP servers."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from mesh_defs.alerts import Incident, Kind, Outbox, deliver
from tests.alerts.hook import Hook, listening

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
STALE = Incident(
    kind=Kind.ASSET_STALE, subject="shop.orders", cause="7", summary="shop.orders is stale.", opened_at=NOW
)
FAILED = Incident(
    kind=Kind.RUN_FAILED, subject="shop.returns", cause="run-1", summary="Run run-1 failed.", opened_at=NOW
)


def round_of(folder: Path, hooks: list[Hook], *incidents: Incident) -> tuple[int, int]:
    """Settle and deliver as one round of the sensor would; return what was taken and what waits."""
    with Outbox(folder, "test", [hook.url for hook in hooks]) as outbox:
        outbox.settle(incidents, at=NOW)
        done = deliver(outbox)
        return done.taken, done.waiting


def test_an_incident_is_told_once_when_it_begins_and_once_when_it_ends(tmp_path: Path) -> None:
    """However many rounds see it."""
    with listening() as hook:
        for found in ([STALE], [STALE], [STALE, FAILED], [FAILED], [FAILED], [], []):
            round_of(tmp_path, [hook], *found)
    assert hook.told() == [
        ("opened", "asset_stale", "shop.orders"),
        ("opened", "run_failed", "shop.returns"),
        ("resolved", "asset_stale", "shop.orders"),
        ("resolved", "run_failed", "shop.returns"),
    ]
    assert len({key for key, _ in hook.taken}) == 4


@pytest.mark.parametrize("answer", [500, 404, 302])
def test_a_dead_hook_loses_nothing_and_a_healthy_one_is_told_once(tmp_path: Path, answer: int) -> None:
    """Each webhook has a state of its own; a redirection is no 2xx."""
    with listening() as healthy, listening(answer, answer) as dead:
        assert round_of(tmp_path, [healthy, dead], STALE) == (1, 1)
        assert round_of(tmp_path, [healthy, dead]) == (1, 2)
        assert round_of(tmp_path, [healthy, dead]) == (2, 0)
        assert round_of(tmp_path, [healthy, dead]) == (0, 0)
    expected = [("opened", "asset_stale", "shop.orders"), ("resolved", "asset_stale", "shop.orders")]
    assert healthy.told() == dead.told() == expected
    assert [k for k, _ in healthy.taken] == [k for k, _ in dead.taken]


def test_a_refused_message_does_not_hold_up_other_incidents(tmp_path: Path) -> None:
    """Their order among themselves means nothing."""
    with listening(400) as hook:
        assert round_of(tmp_path, [hook], FAILED, STALE) == (1, 1)
        assert round_of(tmp_path, [hook], FAILED, STALE) == (1, 0)


def test_nobody_listening_loses_nothing(tmp_path: Path) -> None:
    """A hook that is down gets everything when it is back, in order."""
    with listening() as gone:
        pass
    assert round_of(tmp_path, [gone], STALE) == (0, 1)
    with Outbox(tmp_path, "test", [gone.url]) as outbox:
        assert deliver(outbox).troubles == ("webhook 1: no answer (URLError)",)
        assert [p.key for p in outbox.pending(next(iter(outbox.webhooks)), 9)] == [STALE.key]


def test_a_new_webhook_is_told_what_is_open_and_an_old_one_is_forgotten(tmp_path: Path) -> None:
    """A change of `mesh.toml` begins from what is true now."""
    with listening(500) as old, listening() as new:
        assert round_of(tmp_path, [old], STALE) == (0, 1)
        assert round_of(tmp_path, [new], STALE) == (1, 0)
        assert round_of(tmp_path, [new], STALE) == (0, 0)
    assert new.told() == [("opened", "asset_stale", "shop.orders")]


def test_the_message_is_a_cloudevent_without_addresses(tmp_path: Path) -> None:
    """A consumer can rely on the envelope; the file knows webhooks by a hash only."""
    with listening() as hook:
        round_of(tmp_path, [hook], STALE)
    key, message = hook.taken[0]
    assert message["id"] == key
    assert {k: message[k] for k in ("specversion", "source", "type", "time")} == {
        "specversion": "1.0",
        "source": "/mesh/test",
        "type": "mesh.incident.opened",
        "time": "2026-01-02T03:04:05.000Z",
    }
    assert message["data"]["summary"] == "shop.orders is stale."
    assert b"s3cret" not in (tmp_path / "alerts.sqlite").read_bytes()
