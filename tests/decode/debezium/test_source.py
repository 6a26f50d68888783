"""Positions: texts that sort as the sources made their changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decode.builders import rows
from tests.decode.debezium.messages import CUSTOMERS, MYSQL, POSTGRESQL, changes_of, plain

_CONTRACT = changes_of(*CUSTOMERS)


def _positions(*sources: Any) -> list[str | None]:
    return [row["_source_position"] for row in rows(_CONTRACT, *[plain("t", source=s) for s in sources])]


@pytest.mark.parametrize(
    ("source", "position"),
    [
        (POSTGRESQL, "00000000000024023119:00000000000024023128"),
        (POSTGRESQL | {"sequence": None}, "00000000000000000000:00000000000024023128"),
        (POSTGRESQL | {"sequence": '[null,"24023128"]'}, "00000000000000000000:00000000000024023128"),
        ({"sequence": '["1","7"]', "snapshot": "incremental"}, f"{1:020}:{7:020}"),
        ({"lsn": 7, "sequence": "no JSON"}, f"{0:020}:{7:020}"),
        ({"lsn": 7, "sequence": 3}, f"{0:020}:{7:020}"),
        ({"connector": "yugabytedb", "lsn": "1:4::0:0"}, "1:4::0:0"),
        (MYSQL | {"row": 2}, "mysql-bin.000003:00000000000000000484:0000000002"),
        (
            MYSQL | {"connector": "mariadb", "gtid": "0-1-33"},
            "mysql-bin.000003:00000000000000000484:0000000000",
        ),
        (
            {
                "change_lsn": "00000027:00000758:0003",
                "commit_lsn": "00000027:00000758:0005",
                "event_serial_no": 1,
            },
            "00000027:00000758:0005/00000027:00000758:0003/0000000001",
        ),
        (
            {"change_lsn": None, "commit_lsn": "00000027:00000758:0005", "event_serial_no": None},
            "00000027:00000758:0005/00000000:00000000:0000/0000000000",
        ),
        (
            {"connector": "informix", "commit_lsn": "21484970340", "change_lsn": "9484929200"},
            f"{21484970340:020}/{9484929200:020}/{0:010}",
        ),
        ({"connector": "informix", "commit_lsn": "7", "change_lsn": None}, f"{7:020}/{0:020}/{0:010}"),
        ({"scn": "2122185", "commit_scn": "2122186", "ssn": 1}, f"{2122186:020}:{2122185:020}:{1:010}"),
        ({"scn": "2122185", "commit_scn": None, "ssn": None}, f"{0:020}:{2122185:020}:{0:010}"),
        ({"ts_ms": 1558965508000, "ord": 31}, f"{1558965508:020}:{31:010}"),
        ({"connector": "vitess", "vgtid": "[]"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_position_of_each_source(source: Any, position: str | None) -> None:
    """Which fields there are decides; a source without any tells no position."""
    assert _positions(source) == [position]


@pytest.mark.fault(47)
@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)), min_size=1, max_size=8))
def test_positions_of_postgresql_sort_by_commit(pairs: list[tuple[int, int]]) -> None:
    """Texts sort as the numbers do: by the last commit, then by the change."""
    sources = [{"sequence": json.dumps([str(commit), str(lsn)]), "lsn": lsn} for commit, lsn in pairs]
    texts = dict(zip(pairs, _positions(*sources), strict=True))
    assert sorted(texts.values(), key=str) == [texts[pair] for pair in sorted(texts)]
