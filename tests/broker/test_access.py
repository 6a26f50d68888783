"""A cluster that takes rights away, in the middle of a read too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from mesh_defs.broker import BoundedReader
from mesh_defs.model.errors import BrokerAccessError

AUTHORIZED = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}


def deny(kafka: Any, topic: str, operation: AclOperation) -> None:
    """Deny everybody an operation on a topic."""
    binding = AclBinding(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        "User:ANONYMOUS",
        "*",
        operation,
        AclPermissionType.DENY,
    )
    with kafka.admin() as admin:
        for future in admin.create_acls([binding]).values():
            future.result(60)


def drain(reader: BoundedReader) -> None:
    """Read until the reader is done."""
    while not reader.done:
        reader.read()


@pytest.mark.fault(42)
def test_a_right_that_is_revoked_is_an_error_and_no_empty_success(own_kafka: Callable[..., Any]) -> None:
    """Neither questions nor a read under way mistake a refusal for nothing new."""
    kafka = own_kafka(AUTHORIZED)
    read, described = kafka.topic(), kafka.topic()
    kafka.produce(read, [b"x" * 1_000 for _ in range(60_000)])
    with kafka.broker() as broker, broker.reader(read, {0: (0, 60_000)}) as reader:
        assert reader.read(10)
        deny(kafka, read, AclOperation.READ)
        with pytest.raises(BrokerAccessError, match=read):
            drain(reader)
        assert reader.positions[0] < 60_000

        deny(kafka, described, AclOperation.DESCRIBE)
        with pytest.raises(BrokerAccessError, match=described):
            broker.identity(described)
