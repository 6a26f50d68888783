"""The JSON payload codec: the strict decoder decides, and what it decoded is what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from mesh_defs.contract.choices import OnUnknownField
from mesh_defs.contract.contract import InputContract
from mesh_defs.decode import exact
from mesh_defs.decode.columns import converter_for
from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.columns.table import columns_of
from mesh_defs.decode.json.shape import struct_for
from mesh_defs.decode.json.unknown import NOTHING, leftover_of
from mesh_defs.decode.json.verdicts import REFUSED, verdict
from mesh_defs.decode.payload import Payloads
from mesh_defs.decode.refusal import Refusal
from mesh_defs.decode.types.constants import type_constants
from mesh_defs.model.records import Headers

_Record = msgspec.Struct | None


class JsonCodec:
    """Documents to columns, under one contract.

    Raises:
        ContractError: The contract demands what cannot be checked.
    """

    def __init__(self, contract: InputContract) -> None:
        columns = contract.columns
        self._names = [column.name for column in columns]
        self._converters = [converter_for(column) for column in columns]
        self._constants = type_constants(contract)
        strict = struct_for(columns, forbid_unknown_fields=True, constants=self._constants)
        self._strict = msgspec.json.Decoder(strict).decode
        self._tolerant = msgspec.json.Decoder(struct_for(columns, forbid_unknown_fields=False)).decode
        self._leftover = leftover_of(columns)
        self._keep = contract.on_unknown_field is OnUnknownField.KEEP

    def decode(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Payloads:
        """Return the columns of the documents; each is one element of them, or refused."""
        del headers
        payloads = Payloads()
        records = self._documents(values, payloads)
        if payloads.refused:
            positions = [i for i, record in enumerate(records) if record is not None]
            records = [records[i] for i in positions]
        else:
            positions = list(range(0))
        payloads.columns, refused = self._columns(records)
        if refused:
            for position, refusal in refused.items():
                payloads.refused[positions[position] if positions else position] = refusal
            for index in payloads.refused:
                payloads.unknown.pop(index, None)
        return payloads

    def _documents(self, values: Sequence[bytes], payloads: Payloads) -> list[_Record]:
        """Return the decoded documents, None for a refused one."""
        records: list[_Record] = []
        decoded = map(self._strict, values)
        while len(records) < len(values):
            try:
                # What an iterator yields before it raises stays in the list, and the iterator goes on after
                # the bad one: a batch without faults costs one call.
                records.extend(decoded)
            except REFUSED:
                records.append(self._second(len(records), values[len(records)], payloads))
        return records

    def _second(self, index: int, value: bytes, payloads: Payloads) -> _Record:
        """Look again at a document that the strict decoder refused: its unknown fields, or why."""
        try:
            return self._with_unknown(index, value, payloads)
        except REFUSED as error:
            payloads.refused[index] = verdict(error, value)
        except Refusal as refusal:
            payloads.refused[index] = refusal
        return None

    def _with_unknown(self, index: int, value: bytes, payloads: Payloads) -> _Record:
        record: _Record = self._tolerant(value)
        paths: set[str] = set()
        rest = self._leftover(self._without_constants(exact.document(value)), "", paths)
        if rest is NOTHING:
            # A later duplicate of the key replaced the value that held the unknown field.
            return record
        for path in paths:
            payloads.unknown_fields[f"${path}"] += 1
        if not self._keep:
            raise Refusal("unknown_field", "the contract does not name the field", min(paths))
        payloads.unknown[index] = exact.text_of(rest)
        return record

    def _without_constants(self, document: Any) -> Any:
        for name, text in self._constants.items():
            if document.get(name) == text:
                del document[name]
        return document

    def _columns(self, records: Sequence[_Record]) -> tuple[list[Array], dict[int, Refusal]]:
        """Return the columns of the good records, and the verdicts on the others by position."""
        return columns_of(self._names, self._converters, self._transposed(records), _picked)

    def _transposed(self, records: Sequence[_Record]) -> list[tuple[object, ...]]:
        if not records:
            return [()] * len(self._names)
        # A document that went the tolerant way has no constants at its end.
        values = list(zip(*map(msgspec.structs.astuple, records), strict=False))  # type: ignore[arg-type]
        return values[: len(self._names)]


def _picked(values: tuple[object, ...], positions: list[int]) -> tuple[object, ...]:
    return tuple(values[position] for position in positions)
