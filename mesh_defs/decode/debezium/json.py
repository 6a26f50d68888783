"""The codec of Debezium's change events in JSON.

Each event is one row: of `c`, `u` and `r` with the columns of the row as it is, of `d`, `t` and `m` with nulls.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from mesh_defs.contract.contract import StreamContract
from mesh_defs.decode import exact
from mesh_defs.decode.changes import Change
from mesh_defs.decode.debezium.connect import ConnectSchema, read_schema
from mesh_defs.decode.debezium.images import Image, Images, take_rows
from mesh_defs.decode.debezium.message import Message, read_message
from mesh_defs.decode.debezium.source import position_of, time_of
from mesh_defs.decode.debezium.unavailable import lacking, may_lack
from mesh_defs.decode.debezium.values import Reader, of_members, readers, told, told_readers
from mesh_defs.decode.payload import Payloads
from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Headers

_SCHEMAS = 64
"""How many schemas are kept: a topic's messages have one, until its table changes."""


class DebeziumJson:
    """Change events to columns, under one contract.

    Raises:
        ContractError: The contract demands what cannot be checked.
    """

    def __init__(self, contract: StreamContract) -> None:
        self._columns = contract.columns
        self._images = Images(contract)
        self._readers = lru_cache(_SCHEMAS)(self._readers_of)

    def decode(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Payloads:
        """Return the columns of the changes; each is one element of them, or refused."""
        del headers
        changes: dict[int, Change] = {}
        images: dict[int, Image] = {}
        paths: dict[int, str] = {}
        payloads = Payloads(changes=changes)
        for index, value in enumerate(values):
            try:
                message = read_message(value)
                changes[index] = self._change(message)
                if message.after is not None:
                    images[index] = self._image(message, message.after)
                    paths[index] = f"{message.path}.after"
                elif message.message is not None:
                    payloads.unknown[index] = exact.text_of({"message": exact.document(message.message)})
            except Refusal as refusal:
                payloads.refused[index] = refusal
        take_rows(payloads, self._images.decode(list(images.values())), paths, len(values))
        return payloads

    def _change(self, message: Message) -> Change:
        return Change(
            op=message.op,
            position=position_of(message.source),
            before=None if message.before is None else self._told(message, message.before),
            time=time_of(message.source),
        )

    def _told(self, message: Message, before: bytes) -> str:
        """Return the row as it was, as text: it need not satisfy the contract, so what cannot be read stays."""
        try:
            document = exact.document(before)
        except Refusal as refusal:
            raise refusal.within(f"{message.path}.before") from None
        members = self._readers(message.schema)[1]
        return exact.text_of(told(document, members) if isinstance(document, dict) else document)

    def _image(self, message: Message, after: bytes) -> Image:
        members = self._readers(message.schema)[0]
        partial = may_lack(after)
        if not members and not partial:
            return Image(document=after)
        try:
            document = exact.document(after)
            if not isinstance(document, dict):
                return Image(document=after)
            lacks = {name: document.pop(name) for name in lacking(document)} if partial else {}
            return Image(document=exact.text_of(of_members(document, members)).encode(), lacks=lacks)
        except Refusal as refusal:
            raise refusal.within(f"{message.path}.after") from None

    def _readers_of(self, schema: bytes | None) -> tuple[dict[str, Reader], dict[str, Reader]]:
        """Return the readers of rows as they are, and as they were."""
        before = after = None
        if schema is not None:
            envelope = read_schema(schema)
            before, after = _row_schema(envelope, "before"), _row_schema(envelope, "after")
        return readers(self._columns, after), told_readers(self._columns, before or after)


def _row_schema(envelope: ConnectSchema, name: str) -> ConnectSchema | None:
    found = envelope.member(name)
    return found if found is not None and found.type == "struct" else None
