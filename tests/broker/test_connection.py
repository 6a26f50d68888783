"""Which cluster a contract's server means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.broker import Broker, LocalKafka, connection_for
from mesh_defs.broker.properties import RESERVED, consumer_properties
from mesh_defs.model.config import MeshConfig
from mesh_defs.model.errors import BrokerUnavailableError, ConfigError


def config(data: Path, **kafka: Mapping[str, str]) -> MeshConfig:
    """Return a configuration with the given connections."""
    return MeshConfig(name="m", data=data, kafka=kafka)


def test_a_table_is_taken_as_it_is(tmp_path: Path) -> None:
    """Every librdkafka property of the table reaches the client; the contract's host does not."""
    table = {"bootstrap.servers": "a:1", "security.protocol": "SASL_SSL"}
    assert connection_for(config(tmp_path, main=table), "main", host="b:2") == table


def test_another_name_falls_back_to_the_host(tmp_path: Path) -> None:
    """Only a connection that mesh.toml does not describe uses the contract's host, and never `main`."""
    assert connection_for(config(tmp_path), "other", host="b:2") == {"bootstrap.servers": "b:2"}
    assert connection_for(config(tmp_path, other={"bootstrap.servers": "c:3"}), "other", host="b:2") == {
        "bootstrap.servers": "c:3"
    }
    with pytest.raises(ConfigError, match=r"\[kafka\.other\]"):
        connection_for(config(tmp_path), "other")


def test_main_without_a_table_is_the_local_kafka(tmp_path: Path) -> None:
    """It is found by its folder; while it is down the message says how to start it."""
    with pytest.raises(BrokerUnavailableError, match="mesh broker start"):
        connection_for(config(tmp_path), "main", host="b:2")
    local = LocalKafka.of_mesh(tmp_path)
    started = local.start()
    try:
        found = connection_for(config(tmp_path), "main")
        assert found == {"bootstrap.servers": started.address}
        assert started.log_file == tmp_path / "logs" / "kafka.log"
    finally:
        local.stop()


@pytest.mark.parametrize("key", RESERVED)
def test_what_is_the_meshs_own_is_refused(tmp_path: Path, key: str) -> None:
    """A table cannot switch off what exactly-once hangs on."""
    table = {"bootstrap.servers": "a:1", key: "x"}
    with pytest.raises(ConfigError, match=key):
        connection_for(config(tmp_path, main=table), "main")


def test_tuning_in_a_table_wins_over_ours(kafka: Any, drain: Any) -> None:
    """Fetch settings may be set; a larger `message.max.bytes` takes the others along."""
    connection = kafka.connection | {"fetch.wait.max.ms": "77", "message.max.bytes": "900000000"}
    properties = consumer_properties(connection, lambda _error: None)
    assert properties["fetch.wait.max.ms"] == "77"
    assert properties["fetch.max.bytes"] == 900_000_000
    topic = kafka.topic()
    kafka.produce(topic, [b"x"])
    with Broker(connection) as broker:
        assert [len(batch) for batch in drain(broker, topic)] == [1]


def test_a_property_that_does_not_exist_is_named() -> None:
    """A misspelt key of the table is an error of the configuration, not a crash of the client."""
    with (
        Broker({"bootstrap.servers": "a:1", "securty.protocol": "SSL"}) as broker,
        pytest.raises(ConfigError, match=r"securty\.protocol"),
    ):
        broker.identity("t")
