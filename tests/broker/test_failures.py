"""What a client says about its connections becomes the reason that a person reads."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from mesh_defs.broker.failures import Heard

REFUSED = KafkaError(KafkaError._TRANSPORT, "Connection refused")
RESOLVE = KafkaError(KafkaError._RESOLVE, "Name or service not known")
ALL_DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
DENIED = KafkaError(KafkaError._AUTHENTICATION, "Invalid credentials")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ([ALL_DOWN], ALL_DOWN),
        ([REFUSED, ALL_DOWN], REFUSED),
        ([ALL_DOWN, REFUSED], REFUSED),
        ([REFUSED, ALL_DOWN, RESOLVE, ALL_DOWN], RESOLVE),
        ([DENIED, ALL_DOWN, REFUSED], DENIED),
        ([REFUSED, DENIED], DENIED),
    ],
)
def test_the_most_telling_of_what_a_client_says_is_kept(said: list[KafkaError], kept: KafkaError) -> None:
    """Also where librdkafka says its summary last, as it does on a busy machine."""
    heard = Heard()
    for error in said:
        heard(error)
    assert heard.error is kept
    assert heard.denial is (kept if kept is DENIED else None)
    heard.forget()
    assert heard.error is None
