"""A retired stream is read no more, and nothing of it goes."""

from __future__ import annotations

import json
from pathlib import Path

from mesh_defs.consistency import verify_domain
from mesh_defs.ingest import news, status
from tests.conftest import KafkaServer
from tests.meshes import MeshFolder


def test_a_retired_stream_keeps_its_table_and_is_read_no_more(tmp_path: Path, kafka: KafkaServer) -> None:
    """Passes leave it out with a line, its rows and its account stay, and its topic may go."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    topic, other = kafka.topic(), kafka.topic()
    path = mesh.stream("shop.orders", topic)
    mesh.stream("shop.others", other)
    order = json.dumps({"order_id": 1}).encode()
    kafka.produce(topic, [order])
    mesh.ingest("shop")
    path.write_text(path.read_text().replace('"active"', '"retired"'))
    kafka.produce(topic, [order])
    kafka.produce(other, [order])
    done = mesh.cli("ingest", "shop")
    assert "shop.orders is retired" in done.stderr
    assert mesh.rows("SELECT count(*) FROM shop.orders") == [(1,)]
    assert mesh.rows("SELECT count(*) FROM shop.others") == [(1,)]
    assert mesh.ingest("shop", "orders").streams == ()
    kafka.delete_topic(topic)
    project = mesh.open()
    domain = project.domain("shop")
    assert set(news(project, domain).streams) == {"others"}
    states = {line.stream: (line.state, line.rows) for line in status.status(project, domain)}
    assert states == {"orders": ("retired", 1), "others": ("current", 1)}
    assert [v for result in verify_domain(project, domain) for v in result.violations] == []
    assert [plan["topic"] for plan in mesh.cli_json("topics", "apply")] == [other]
