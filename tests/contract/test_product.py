"""Products: the query beside the contract, and how it is brought up to date."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.contract.choices import Incremental
from mesh_defs.contract.contract import ProductContract
from mesh_defs.contract.load import load_contract, read_contract
from tests.contract.documents import product, write_product


def _messages(path: Path) -> list[str]:
    return [finding.message for finding in read_contract(path).findings]


def test_a_product_that_says_nothing_is_computed_in_full(tmp_path: Path) -> None:
    """`full` is the default."""
    contract = load_contract(write_product(tmp_path, product()))
    assert isinstance(contract, ProductContract)
    assert contract.incremental is Incremental.FULL
    assert contract.window is None


def test_a_python_product(tmp_path: Path) -> None:
    """A `.py` stands where a `.sql` could."""
    contract = load_contract(write_product(tmp_path, product(), suffix=".py"))
    assert isinstance(contract, ProductContract)
    assert contract.source_file == tmp_path / "d" / "products" / "p.py"


def test_a_query_called_as_the_table(tmp_path: Path) -> None:
    """The contract's file need not be called as its table is."""
    path = write_product(tmp_path, product(), "other", suffix=None)
    (path.parent / "p.sql").write_text("")
    contract = load_contract(path)
    assert isinstance(contract, ProductContract)
    assert contract.source_file.name == "p.sql"


def test_a_product_without_its_query(tmp_path: Path) -> None:
    """Neither `.sql` nor `.py` beside it."""
    path = write_product(tmp_path, product(), suffix=None)
    assert _messages(path) == ["a product needs its query beside the contract: write p.sql"]


def test_a_product_with_two_queries(tmp_path: Path) -> None:
    """Nobody could tell which one counts."""
    path = write_product(tmp_path, product())
    (path.parent / "p.py").write_text("")
    assert any("has one source, but p.sql and p.py" in message for message in _messages(path))


def test_a_window(tmp_path: Path) -> None:
    """Its width and the column that tells it."""
    path = write_product(tmp_path, product(incremental="window", window="PT1H", eventTime="hour"))
    contract = load_contract(path)
    assert isinstance(contract, ProductContract)
    assert (contract.window, contract.event_time) == (dt.timedelta(hours=1), "hour")


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        ({"incremental": "windows"}, "incremental cannot be 'windows'; did you mean 'window'?"),
        ({"incremental": "window", "eventTime": "hour"}, "needs window"),
        ({"incremental": "window", "window": "PT1H"}, "needs eventTime"),
        ({"incremental": "window", "window": "PT0S", "eventTime": "hour"}, "must be longer than nothing"),
        ({"incremental": "window", "window": "P1M", "eventTime": "hour"}, "has no fixed length"),
        ({"incremental": "full", "window": "PT1H"}, "window is of no use where incremental is full"),
        ({"incremental": "key"}, "incremental by key needs a key"),
        ({"eventTime": "flights"}, "must be a timestamp or a date"),
        ({"eventTime": "none"}, "is no column"),
        ({"eventKind": "state"}, "eventKind is of no use for a product"),
        ({"partitions": 2}, "partitions is of no use for a product, only for a stream"),
        ({"incremntal": "full"}, "did you mean 'incremental'?"),
    ],
)
def test_what_a_product_cannot_say(tmp_path: Path, custom: dict[str, Any], message: str) -> None:
    """Wrong, useless and contradicting custom properties are findings that say so."""
    found = _messages(write_product(tmp_path, product(**custom)))
    assert any(message in text for text in found), found


@pytest.mark.parametrize(
    ("server", "message"),
    [
        (
            {"server": "main", "type": "kafka", "host": "h", "format": "json"},
            "not supported yet: an output port",
        ),
        ({"server": "f", "type": "local", "path": "p", "format": "csv"}, "remove the server"),
    ],
)
def test_servers_of_products(tmp_path: Path, server: dict[str, str], message: str) -> None:
    """A product is stored in its domain's store, and nowhere else yet."""
    found = _messages(write_product(tmp_path, product() | {"servers": [server]}))
    assert any(message in text for text in found), found


@pytest.mark.parametrize(("key", "value"), [("physicalType", "topic"), ("physicalName", "q")])
def test_a_product_is_a_table_of_its_name(tmp_path: Path, key: str, value: str) -> None:
    """Another physical type or name is told, not ignored."""
    document = product()
    document["schema"][0][key] = value
    found = _messages(write_product(tmp_path, document))
    assert any(f"{key} '{value}' is not supported" in text for text in found), found


def test_several_tables_are_no_product(tmp_path: Path) -> None:
    """One contract declares one table."""
    document = product()
    document["schema"] *= 2
    found = _messages(write_product(tmp_path, document))
    assert "not supported: several objects under `schema`; one contract declares one table" in found


def test_a_product_elsewhere_is_known_by_its_query(tmp_path: Path) -> None:
    """Outside of `products` the query beside it tells what a contract is."""
    path = tmp_path / "x.odcs.yaml"
    path.write_text(write_product(tmp_path, product()).read_text())
    (tmp_path / "x.sql").write_text("")
    assert isinstance(load_contract(path), ProductContract)
