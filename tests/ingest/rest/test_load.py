"""Data at rest from files to tables, through a whole pass; no broker is needed, and none answers."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mesh_defs.consistency import verify_domain
from mesh_defs.ingest import PassReport, Progress
from mesh_defs.ingest.rest import input_news
from mesh_defs.ingest.status import status
from mesh_defs.model.errors import (
    MeshError,
    RecordRefusedError,
    SchemaConflictError,
    SourceChangedError,
    SourceError,
    SourceMissingError,
    SourceUnreadableError,
    TooManyDeadLettersError,
)
from tests.conftest import KafkaServer
from tests.meshes import MeshFolder

NOBODY = "127.0.0.1:1"

ROWS = (
    {"name": "id", "logicalType": "integer", "required": True},
    {"name": "name", "logicalType": "string"},
    {"name": "at", "logicalType": "timestamp"},
)

Line = tuple[Any, ...]


class Source:
    """A mesh with the domain `n`, and the table `n.t` that comes from files."""

    def __init__(self, folder: MeshFolder) -> None:
        self.mesh = folder

    def declare(
        self, path: str = "in/t.csv", format_: str = "csv", columns: Any = ROWS, **custom: Any
    ) -> None:
        """Write the contract."""
        self.mesh.rest("n.t", path, columns, format_, **custom)

    def load(self) -> PassReport:
        """Make a pass that must succeed, and recount everything after it."""
        report = self.mesh.ingest("n")
        assert report.failed == ()
        self.check()
        return report

    def refused(self) -> MeshError:
        """Make a pass that must fail, and return why."""
        ((trouble,),) = [s.troubles for s in self.mesh.ingest("n").failed]
        self.check()
        return trouble.error

    def check(self) -> None:
        """Check every invariant of the ledger."""
        project = self.mesh.open()
        for found in verify_domain(project, project.domain("n")):
            assert found.violations == ()

    def rows(self, columns: str = "id, name") -> list[Line]:
        """Return the table's rows, in the order of their offsets."""
        return self.mesh.rows(f"SELECT {columns} FROM n.t ORDER BY _offset")  # noqa: S608

    def letters(self, columns: str = "_file, _line, stage, rule, path") -> list[Line]:
        """Return the dead letters."""
        return self.mesh.rows(f"SELECT {columns} FROM n.dead_letters ORDER BY _offset")  # noqa: S608

    def state(self) -> str:
        """Return what `mesh status` says."""
        project = self.mesh.open()
        (line,) = status(project, project.domain("n"))
        return line.state

    def snapshots(self) -> int:
        """Return how many commits the store has seen."""
        ((count,),) = self.mesh.rows("SELECT count(*) FROM ducklake_snapshots('n')")
        return int(count)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A mesh without any data."""
    return Source(MeshFolder(tmp_path / "mesh", NOBODY))


def test_a_snapshot_is_replaced_when_its_file_changed(source: Source) -> None:
    """New rows for old ones, the earlier load still to be seen in its snapshot; no commit without a change."""
    source.declare()
    source.mesh.file("in/t.csv", "id,name,at\n1,a,\n2,b,2013-01-01T00:00:00Z\n")
    report = source.load()
    first = report.streams[0].snapshot
    assert (report.row_count, report.streams[0].tables) == (2, (("t", 2),))
    assert source.rows("id, name, _file, _line, _event_id, _partition, _tombstone, _unknown") == [
        (1, "a", "in/t.csv", 2, "in/t.csv:2", 0, False, None),
        (2, "b", "in/t.csv", 3, "in/t.csv:3", 0, False, None),
    ]
    before = source.snapshots()
    assert source.load().row_count == 0
    (source.mesh.root / "in/t.csv").touch()
    assert source.load().row_count == 0
    assert (source.snapshots(), source.state()) == (before, "current")
    source.mesh.file("in/t.csv", "id,name,at\n3,c,\n")
    assert source.state() == "changed"
    source.load()
    assert source.rows() == [(3, "c")]
    assert source.mesh.rows(f"SELECT count(*) FROM n.t AT (VERSION => {first})") == [(2,)]  # noqa: S608
    assert source.mesh.rows("SELECT load, mode, path, row_count FROM n.loads ORDER BY load") == [
        (1, "snapshot", "in/t.csv", 2),
        (2, "snapshot", "in/t.csv", 1),
    ]
    entries = "SELECT from_offset, to_offset, row_count, removed_count FROM n.ledger ORDER BY ALL"
    assert source.mesh.rows(entries) == [(0, 2, 0, 2), (0, 2, 2, 0), (2, 3, 1, 0)]


def test_a_change_within_the_clocks_tick_is_seen(source: Source) -> None:
    """A file of the same size and time, but with other content, is another one: a young time proves nothing."""
    source.declare()
    path = source.mesh.file("in/t.csv", "id,name,at\n1,a,\n")
    # A time that is still young at the load, however slow the machine is.
    stamp = path.stat().st_mtime_ns + 3_600 * 10**9
    os.utime(path, ns=(stamp, stamp))
    source.load()
    source.mesh.file("in/t.csv", "id,name,at\n2,b,\n")
    os.utime(path, ns=(stamp, stamp))
    source.load()
    assert source.rows() == [(2, "b")]


def test_a_snapshot_is_loaded_anew_when_its_contract_changed(source: Source) -> None:
    """What the contract says of columns and files decides what rows become; words for people do not."""
    source.declare()
    source.mesh.file("in/t.csv", "id,name,at,more\n1,NA,NA,x\n2,b,,y\n")
    source.load()
    assert source.rows("id, name, _unknown") == [(2, "b", '{"more":"y"}')]
    assert source.letters() == [("in/t.csv", 2, "validate", "format", "$.at")]
    source.declare(nullText="NA")
    assert source.state() == "changed"
    source.load()
    assert source.rows("id, name") == [(1, None), (2, "b")]
    source.declare(nullText="NA", columns=[*ROWS, {"name": "more", "logicalType": "string"}])
    source.load()
    assert source.rows("id, more, _unknown") == [(1, "x", None), (2, "y", None)]
    columns = [*ROWS, {"name": "more", "logicalType": "string", "description": "More of it."}]
    source.declare(nullText="NA", columns=columns)
    assert source.state() == "current"


def test_several_files_are_one_snapshot(source: Source) -> None:
    """A pattern names them; one that goes takes its rows along, and files in the making are none."""
    source.declare("in/*.csv")
    source.mesh.file("in/a.csv", "id,name\n1,a\n")
    source.mesh.file("in/b.csv", "name,id\nb,2\n")
    source.mesh.file("in/.c.csv", "id,name\n3,c\n")
    source.load()
    assert source.rows("id, name, _file") == [(1, "a", "in/a.csv"), (2, "b", "in/b.csv")]
    (source.mesh.root / "in/a.csv").unlink()
    source.load()
    assert source.rows() == [(2, "b")]
    (source.mesh.root / "in/b.csv").unlink()
    assert isinstance(source.refused(), SourceMissingError)
    assert source.rows() == [(2, "b")]
    assert source.state() == "stopped"


def test_an_append_takes_new_files_once(source: Source) -> None:
    """Files that are known are not read again, files that go take nothing along; a folder may be empty at first."""
    source.declare("in/*.csv", load="append")
    (source.mesh.root / "in").mkdir()
    source.load()
    assert source.mesh.rows("SELECT count(*) FROM n.t") == [(0,)]
    source.mesh.file("in/a.csv", "id,name\n1,a\n")
    source.load()
    source.mesh.file("in/b.csv", "id,name\n2,b\n")
    (source.mesh.root / "in/a.csv").unlink()
    source.load()
    assert source.load().row_count == 0
    assert source.rows() == [(1, "a"), (2, "b")]
    source.mesh.file("in/b.csv", "id,name\n2,b\n3,c\n")
    error = source.refused()
    assert isinstance(error, SourceChangedError)
    assert "in/b.csv changed after it was loaded" in str(error)
    assert source.rows() == [(1, "a"), (2, "b")]


def test_an_append_with_a_cursor_takes_rows_above_it(source: Source) -> None:
    """A file that grew gives its new rows; broken rows are told once, though they cannot be placed."""
    source.declare(load="append", cursor="id", maxDeadLetterRatio=1)
    lines = ["id,name", "1,a", "x,b", "3,c"]
    source.mesh.file("in/t.csv", "\n".join(lines))
    source.load()
    lines += ["2,late", "4,d", "x,b", "y,e", "5,f"]
    source.mesh.file("in/t.csv", "\n".join(lines))
    source.load()
    assert source.rows() == [(1, "a"), (3, "c"), (4, "d"), (5, "f")]
    assert source.letters("_line, rule") == [(3, "type"), (7, "type"), (8, "type")]
    loads = "SELECT load, row_count, dead_letter_count, skipped_count FROM n.loads ORDER BY load"
    assert source.mesh.rows(loads) == [(1, 2, 1, 0), (2, 2, 2, 4)]
    source.mesh.file("in/t.csv", "\n".join([*lines, ""]))
    assert source.load().row_count == 0
    assert source.state() == "current"


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ({"logicalType": "timestamp"}, ["2013-01-01T00:00:00Z", "2013-01-01T02:00:00+01:00", "2013-01-02T00:00:00Z"]),
        ({"logicalType": "date"}, ["2013-01-01", "2013-01-02", "2013-02-01"]),
        ({"logicalType": "time"}, ["01:00:00", "01:00:00.5", "02:00:00"]),
        ({"logicalType": "string"}, ["B", "a", "\u00e4"]),
        ({"logicalType": "number", "physicalType": "decimal(20,3)"}, ["1.5", "10", "12345678901234567.001"]),
    ],
)  # fmt: skip
def test_cursors_of_all_kinds(source: Source, type_: dict[str, str], values: Sequence[str]) -> None:
    """The greatest value in the table is where the next load begins, exactly."""
    source.declare(columns=[{"name": "id", "required": True, **type_}], load="append", cursor="id")
    for count in (1, 2, 3):
        source.mesh.file("in/t.csv", "\n".join(["id", *values[:count], values[0]]))
        source.load()
        expected = count + 1  # the first load takes the first value twice
        assert source.mesh.rows("SELECT count(*) FROM n.t") == [(expected,)]


def test_modes_may_change(source: Source) -> None:
    """From append to snapshot everything is replaced; back again, what is there counts as known."""
    source.declare("in/*.csv", load="append")
    source.mesh.file("in/a.csv", "id,name\n1,a\n")
    source.load()
    source.mesh.file("in/b.csv", "id,name\n2,b\n")
    source.load()
    source.declare("in/*.csv", load="snapshot")
    source.load()
    assert source.rows() == [(1, "a"), (2, "b")]
    source.declare("in/*.csv", load="append")
    source.mesh.file("in/c.csv", "id,name\n3,c\n")
    source.load()
    assert source.rows() == [(1, "a"), (2, "b"), (3, "c")]


def test_broken_rows_are_dead_letters(source: Source) -> None:
    """Each with its file, line, stage, rule and bytes; the good rows around them are there."""
    columns = [
        {"name": "id", "logicalType": "integer", "required": True},
        {"name": "code", "logicalType": "string", "logicalTypeOptions": {"maxLength": 3}},
    ]
    source.declare(columns=columns, maxDeadLetterRatio=1)
    lines = [b"id,code", b"1,abc", b"1.5,abc", b",abc", b"4,abcd", b'5,"ab', b"6,a,b", b"7,\xff", b"8,x"]
    source.mesh.file("in/t.csv", b"\n".join(lines))
    source.load()
    assert source.rows("id, code") == [(1, "abc"), (8, "x")]
    assert source.letters("_line, stage, rule, path") == [
        (3, "validate", "type", "$.id"),
        (4, "validate", "required", "$.id"),
        (5, "validate", "max_length", "$.code"),
        (6, "decode", "csv_syntax", "$"),
        (7, "decode", "field_count", "$"),
        (8, "decode", "utf8", "$"),
    ]
    assert [value for (value,) in source.letters("_value")] == lines[2:8]
    (shown,) = source.mesh.cli_json("dead-letters", "list", "n.t", "--limit", "1")
    assert (shown["file"], shown["line"]) == ("in/t.csv", 8)


@pytest.mark.parametrize("array", [False, True])
def test_json_files(source: Source, *, array: bool) -> None:
    """A document a line, or one array: detected, with fields that the contract does not name kept."""
    source.declare("in/t.json", "json", maxDeadLetterRatio=1)
    documents = ['{"id": 1, "name": "a", "x": {"y": 1.10}}', '{"id": "2"}', '{"id": 3, "name": null}', "4"]
    text = "[" + ",\n".join(documents) + "]" if array else "\n".join(documents)
    source.mesh.file("in/t.json", text)
    source.load()
    assert source.rows("id, name, _unknown, _line") == [(1, "a", '{"x":{"y":1.10}}', 1), (3, None, None, 3)]
    assert source.letters("_line, rule") == [(2, "type"), (4, "type")]


def test_parquet_files(source: Source) -> None:
    """Rows by their own types: a text is no number there either."""
    source.declare("in/t.parquet", "parquet", maxDeadLetterRatio=1)
    (source.mesh.root / "in").mkdir()
    table = pa.table(
        {
            "id": pa.array([1, 2, None]),
            "at": pa.array([0, None, 1], pa.timestamp("ms", "UTC")),
            "more": pa.array([b"\x00", None, None]),
        }
    )
    pq.write_table(table, source.mesh.root / "in/t.parquet")
    source.load()
    assert source.rows('id, name, epoch_ms("at"), _unknown, _line') == [
        (1, None, 0, '{"more":"AA=="}', 1),
        (2, None, None, None, 2),
    ]
    ((line, rule, value),) = source.letters("_line, rule, _value")
    assert (line, rule, json.loads(value)["id"]) == (3, "required", None)
    pq.write_table(pa.table({"id": pa.array(["1"])}), source.mesh.root / "in/t.parquet")
    assert isinstance(source.refused(), TooManyDeadLettersError)
    assert len(source.rows()) == 2


def test_one_bad_value_of_a_parquet_file_is_a_dead_letter(source: Source) -> None:
    """A date far off and bytes that are no UTF-8 concern their rows alone, named by the contract or not."""
    source.declare("in/t.parquet", "parquet", maxDeadLetterRatio=1)
    (source.mesh.root / "in").mkdir()
    table = pa.table(
        {
            "id": pa.array([1, 2, 3]),
            "name": pa.array([b"a", b"\xff", b"c"]).cast(pa.string(), safe=False),
            "day": pa.array([0, 1, 3_000_000], pa.int32()).cast(pa.date32()),
        }
    )
    pq.write_table(table, source.mesh.root / "in/t.parquet")
    source.load()
    assert source.rows("id, name, _unknown") == [
        (1, "a", '{"day":"1970-01-01"}'),
        (3, "c", '{"day":3000000}'),
    ]
    assert source.letters("_line, rule") == [(2, "utf8")]


def test_all_types_in_csv(source: Source) -> None:
    """Every type of a contract can be read from a text file."""
    columns = [
        {"name": "i", "logicalType": "integer"},
        {"name": "n", "logicalType": "number"},
        {"name": "d", "logicalType": "number", "physicalType": "decimal(12,2)"},
        {"name": "b", "logicalType": "boolean"},
        {"name": "day", "logicalType": "date"},
        {"name": "t", "logicalType": "time"},
        {"name": "ts", "logicalType": "timestamp"},
        {"name": "ms", "logicalType": "timestamp", "physicalType": "epoch_ms"},
        {"name": "u", "logicalType": "string", "physicalType": "uuid"},
        {"name": "raw", "logicalType": "string", "physicalType": "bytes"},
        {"name": "o", "logicalType": "object", "properties": [{"name": "x", "logicalType": "integer"}]},
        {"name": "j", "logicalType": "object"},
        {"name": "a", "logicalType": "array", "items": {"logicalType": "integer"}},
        {"name": "m", "logicalType": "object", "physicalType": "map<string,int>"},
    ]
    source.declare(columns=columns, delimiter=";")
    fields = ["1", "1.5", "0.10", "true", "2013-01-31", "01:02:03", "2013-01-31T00:00:00Z", "0",
              "00000000-0000-0000-0000-000000000001", "AP8=", '"{""x"": 1, ""y"": 2}"', "{}", "[1,2]",
              '"{""k"": 1}"']  # fmt: skip
    names = ";".join(c["name"] for c in columns)
    source.mesh.file("in/t.csv", f"{names}\n{';'.join(fields)}\n{';' * (len(columns) - 1)}\n")
    source.load()
    shown = ("i, n, d::VARCHAR, b, day::VARCHAR, t::VARCHAR, epoch(ts)::BIGINT, epoch(ms)::BIGINT, u::VARCHAR, "
             "hex(raw), o.x, j, a, m::VARCHAR, _unknown")  # fmt: skip
    assert source.rows(shown) == [
        (1, 1.5, "0.10", True, "2013-01-31", "01:02:03", 1359590400, 0,
         "00000000-0000-0000-0000-000000000001", "00FF", 1, "{}", [1, 2], "{k=1}", '{"o":{"y":2}}'),
        (None,) * 15,
    ]  # fmt: skip


def test_fail_means_that_nothing_of_the_load_lands(source: Source) -> None:
    """`onError` and `onUnknownField` stop at the first such record, with its place and without its content."""
    source.declare(onError="fail")
    source.mesh.file("in/t.csv", "id,name\n1,a\nsecret,b\n")
    error = source.refused()
    assert isinstance(error, RecordRefusedError)
    assert "line 3 of in/t.csv" in str(error)
    assert "secret" not in str(error)
    assert source.rows() == []
    source.declare(onUnknownField="fail")
    source.mesh.file("in/t.csv", "id,more\n1,\n2,x\n")
    assert isinstance(source.refused(), RecordRefusedError)
    source.declare(onUnknownField="dead_letter", maxDeadLetterRatio=1)
    source.load()
    assert source.rows("id") == [(1,)]
    assert source.letters("_line, rule, path") == [(3, "unknown_field", "$.more")]


def test_too_many_dead_letters_leave_the_table_as_it_was(source: Source) -> None:
    """The ratio is judged as a stream's; and nothing is never put in the place of something."""
    source.declare()
    source.mesh.file("in/t.csv", "id,name\n1,a\n")
    source.load()
    bad = [f"{'x' if n % 5 == 0 else n},b" for n in range(200)]
    source.mesh.file("in/t.csv", "\n".join(["id,name", *bad]))
    assert isinstance(source.refused(), TooManyDeadLettersError)
    source.mesh.file("in/t.csv", "id,name\nx,b\n")
    assert "every record of in/t.csv breaks the contract" in str(source.refused())
    assert source.rows() == [(1, "a")]
    source.mesh.file("in/t.csv", "id,name\n")
    source.load()
    assert source.rows() == []


@pytest.mark.parametrize(
    ("format_", "content", "message"),
    [
        ("csv", "", "the file is empty"),
        ("csv", "name,at\na,\n", "it lacks the required columns id"),
        ("csv", "id,name,id\n1,a,2\n", "names a column twice"),
        ("json", '[{"id": 1}', "the array does not end"),
        ("json", "", "it holds no document"),
        ("json", "\n \n", "it holds no document"),
        ("parquet", "PAR1 no Parquet", "damaged, or no Parquet"),
    ],
)
def test_a_file_that_is_not_of_its_format(source: Source, format_: str, content: str, message: str) -> None:
    """It is named with what is wrong; the table stays."""
    source.declare(f"in/t.{format_}", format_)
    source.mesh.file(f"in/t.{format_}", content)
    error = source.refused()
    assert isinstance(error, SourceUnreadableError)
    assert f"in/t.{format_}" in str(error)
    assert message in str(error)


@pytest.mark.parametrize(
    ("path", "error"), [("in/none.csv", SourceMissingError), ("in", SourceUnreadableError)]
)
def test_a_path_that_is_no_file(source: Source, path: str, error: type[SourceError]) -> None:
    """A missing file is told, and so is a folder."""
    source.declare(path)
    (source.mesh.root / "in").mkdir()
    assert isinstance(source.refused(), error)


def test_one_that_fails_stops_no_other(source: Source) -> None:
    """Each input has a commit of its own; the failure is kept for `mesh status` until the next success."""
    source.declare()
    source.mesh.file("in/t.csv", "id,name\n1,a\n")
    source.mesh.rest("n.gone", "in/gone.csv", ROWS)
    report = source.mesh.ingest("n")
    assert [s.stream for s in report.failed] == ["gone"]
    assert source.rows() == [(1, "a")]
    done = source.mesh.cli("ingest", "n", check=False)
    assert done.returncode == 1
    assert "there is no file in/gone.csv" in done.stderr
    states = {line["stream"]: (line["state"], line["rows"]) for line in source.mesh.cli_json("status")}
    assert states == {"gone": ("stopped", None), "t": ("current", 1)}
    assert source.mesh.cli("ingest", "n.t").returncode == 0
    assert source.mesh.cli_json("ledger", "verify", "n.t")[0]["rows"] == 1


def test_a_file_that_changes_while_it_is_read(source: Source) -> None:
    """The load begins anew, and refuses a file that never stands still; rows of two contents never mix."""
    source.declare()
    project = source.mesh.open
    source.mesh.file("in/t.csv", "id,name\n1,a\n")
    changes = 1

    def change(_progress: Progress) -> None:
        nonlocal changes
        if changes:
            changes -= 1
            source.mesh.file("in/t.csv", f"id,name\n{changes},b\n")

    assert source.mesh.ingest("n", on_progress=change).failed == ()
    assert source.rows() == [(0, "b")]
    source.mesh.file("in/t.csv", "id,name\n1,c\n")
    changes = 100
    (failed,) = source.mesh.ingest("n", on_progress=change).failed
    assert isinstance(failed.error, SourceChangedError)
    assert "changes while it is read" in str(failed.error)
    assert source.rows() == [(0, "b")]
    assert input_news(project(), project().domain("n"))["t"].has_news


def test_the_content_decides_though_the_clock_says_nothing(source: Source) -> None:
    """Bytes written in place within the clock's tick, with the time put back, are found while the file is young."""
    source.declare()
    path = source.mesh.file("in/t.csv", "id,name\n1,a\n")
    stamp = time.time_ns()
    os.utime(path, ns=(stamp, stamp))
    written = False

    def change(_progress: Progress) -> None:
        nonlocal written
        if not written:
            written = True
            path.write_text("id,name\n2,b\n")
            os.utime(path, ns=(stamp, stamp))

    assert source.mesh.ingest("n", on_progress=change).failed == ()
    assert source.rows() == [(2, "b")]


def test_a_table_cannot_take_what_its_contract_retypes(source: Source) -> None:
    """As for a stream: told with both types, nothing is lost."""
    source.declare()
    source.mesh.file("in/t.csv", "id,name\n1,a\n")
    source.load()
    source.declare(columns=[{"name": "id", "logicalType": "string", "required": True}, *ROWS[1:]])
    assert isinstance(source.refused(), SchemaConflictError)
    assert source.rows() == [(1, "a")]


def test_a_name_that_data_at_rest_had_is_not_taken(tmp_path: Path, kafka: KafkaServer) -> None:
    """Its rows have files and lines, which a stream's have not."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    mesh.rest("n.t", "in/t.csv", ROWS)
    mesh.file("in/t.csv", "id,name\n1,a\n")
    assert mesh.ingest("n").failed == ()
    (mesh.root / "domains/n/streams/t.odcs.yaml").unlink()
    mesh.stream("n.t", kafka.topic(), ROWS)
    (failed,) = mesh.ingest("n").failed
    assert isinstance(failed.error, SchemaConflictError)
    assert mesh.rows("SELECT id, name FROM n.t") == [(1, "a")]


def test_a_large_file_is_read_in_parts(source: Source) -> None:
    """More records than one batch holds, each once, in the file's order, however the batches fall."""
    count = 25_003
    source.declare(columns=[{"name": "id", "logicalType": "integer", "required": True}])
    source.mesh.file("in/t.csv", "\n".join(["id", *map(str, range(count))]))
    seen: list[Progress] = []
    source.mesh.ingest("n", on_progress=seen.append)
    source.check()
    found = source.mesh.rows(
        "SELECT count(*), sum(id), count(*) FILTER (id = _offset AND _line = id + 2) FROM n.t"
    )
    assert found == [(count, count * (count - 1) // 2, count)]
    assert len(seen) == 3
    assert seen[-1].unit == "bytes of files"
