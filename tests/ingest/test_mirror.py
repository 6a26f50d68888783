"""What lag tools are shown holds nobody up: a cluster that does not answer is asked once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from mesh_defs.broker import Broker, Brokers, MovedOffset, free_port
from mesh_defs.ingest.mirror import Mirror
from tests.meshes import MeshFolder


class NoAdvances:
    """What a commit stored, where that was nothing."""

    advances = ()


@pytest.mark.fault(41)
@pytest.mark.parametrize(("silent", "asked"), [((), 1), (("a",), 0)])
def test_a_cluster_that_does_not_answer_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: tuple[str, ...], asked: int
) -> None:
    """Not once a stream, and not at all where that is known already; nothing is raised."""
    mesh = MeshFolder(tmp_path / "mesh", f"127.0.0.1:{free_port()}")
    for name in ("a", "b", "c"):
        mesh.stream(f"shop.{name}", f"topic-{name}")
    calls: list[str] = []
    ask = Broker.mirror

    def counted(
        self: Broker,
        group: str,
        topic: str,
        offsets: Mapping[int, int],
        before: Mapping[int, int] | None = None,
    ) -> tuple[MovedOffset, ...]:
        calls.append(topic)
        return ask(self, group, topic, offsets, before)

    monkeypatch.setattr(Broker, "mirror", counted)
    project = mesh.open()
    with Brokers(project.config, timeout=1) as brokers:
        mirror = Mirror("test", brokers)
        for contract in project.domain("shop").live.streams:
            mirror.note(contract, NoAdvances(), {0: 5})  # type: ignore[arg-type]
        assert mirror.flush(silent) == {}
        assert len(calls) == asked
        assert mirror.flush() == {}
        assert len(calls) == asked
