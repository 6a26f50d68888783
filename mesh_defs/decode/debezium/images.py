"""Rows as changes left them: to the contract's columns, also where the source did not send all of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mesh_defs.contract.contract import StreamContract
from mesh_defs.decode import exact
from mesh_defs.decode.columns.base import scattered
from mesh_defs.decode.json.codec import JsonCodec
from mesh_defs.decode.payload import Payloads, joined
from mesh_defs.decode.refusal import Refusal

_NO_HEADERS: Final = ()


@dataclass(slots=True, kw_only=True)
class Image:
    """One row as a plain JSON document under the contract.

    Attributes:
        lacks: The fields that the source did not send, with their placeholders; the document is without them.
    """

    document: bytes
    lacks: Mapping[str, Any] = field(default_factory=dict)


def take_rows(payloads: Payloads, found: Payloads, paths: Mapping[int, str], count: int) -> None:
    """Put rows where their changes stand, nulls where a change brings none.

    Args:
        payloads: Of the changes; takes the rows.
        found: The rows, decoded.
        paths: Where in its change each row stands, by the change's position, ascending.
        count: Of changes.
    """
    positions = list(paths)
    for position, refusal in found.refused.items():
        payloads.refused[positions[position]] = refusal.within(paths[positions[position]])
    payloads.unknown |= {positions[i]: text for i, text in found.unknown.items()}
    payloads.unknown_fields = found.unknown_fields
    good = [paths.get(i) for i in range(count) if i not in payloads.refused]
    payloads.columns = [scattered(column, good) for column in found.columns]


class Images:
    """Rows to columns, under one contract.

    What the source did not send is null and stands, as it was written, in `unknown`; `required` does not hold
    for it, because the row has a value there.

    Raises:
        ContractError: The contract demands what cannot be checked.
    """

    def __init__(self, contract: StreamContract) -> None:
        self._required = [column.name for column in contract.columns if column.required]
        self._whole = JsonCodec(contract)
        optional = tuple(replace(column, required=False) for column in contract.columns)
        self._partial = JsonCodec(replace(contract, columns=optional))

    def decode(self, images: Sequence[Image]) -> Payloads:
        """Return the columns of the rows; each is one element of them, or refused."""
        partial = [i for i, image in enumerate(images) if image.lacks]
        if not partial:
            return self._whole.decode([image.document for image in images], _NO_HEADERS)
        whole = [i for i, image in enumerate(images) if not image.lacks]
        found = self._whole.decode([images[i].document for i in whole], _NO_HEADERS)
        others = self._decode_partial([images[i] for i in partial])
        return joined(len(images), [(whole, found), (partial, others)])

    def _decode_partial(self, images: Sequence[Image]) -> Payloads:
        refused: dict[int, Refusal] = {}
        for position, image in enumerate(images):
            missing = self._missing(image)
            if missing is not None:
                refused[position] = missing
        good = [position for position in range(len(images)) if position not in refused]
        found = self._partial.decode([images[i].document for i in good], _NO_HEADERS)
        for index, position in enumerate(good):
            if index not in found.refused:
                rest = exact.document(found.unknown.get(index, "{}").encode())
                found.unknown[index] = exact.text_of(rest | images[position].lacks)
        return found.placed(good, refused, None)

    def _missing(self, image: Image) -> Refusal | None:
        given = exact.document(image.document)
        for name in self._required:
            if name not in image.lacks and given.get(name) is None:
                word = "null" if name in given else "absent"
                return Refusal("required", f"the field is required, but {word}", f".{name}")
        return None
