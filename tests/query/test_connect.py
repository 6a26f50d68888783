"""Tests of what analysts use: `mesh_defs.connect()` and the script for the plain duckdb shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import mesh_defs
from mesh_defs.contract.project import Project
from mesh_defs.model.errors import ConfigError
from mesh_defs.query import refresh_script, write_script
from mesh_defs.scaffold import new_domain, new_project
from mesh_defs.store import DomainStore

ROOT = Path(__file__).resolve().parents[2]
ORDERS = pa.schema([pa.field("order_id", pa.int64()), pa.field("placed_at", pa.timestamp("us", "UTC"))])


def store(project: Project, domain: str, *rows: str) -> None:
    """Make the store of a domain with rows in its table `orders`."""
    with DomainStore.open(project.data_folder(domain), domain) as opened:
        opened.ensure_table("orders", ORDERS)
        for row in rows:
            opened.connection.execute(f"INSERT INTO {domain}.orders VALUES ({row})")  # noqa: S608 - the test's own


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with two domains with stores, in a folder with a quote and a blank, and one without."""
    root = tmp_path / "the team's mesh"
    new_project(root)
    for name in ("sales", "returns", "empty"):
        new_domain(root, name)
    opened = Project.open(root)
    store(opened, "sales", "1, '2026-01-01 00:00:00+00'", "2, '2026-01-02 12:00:00+00'")
    store(opened, "returns", "2, '2026-01-03 00:00:00+00'")
    return opened


JOIN = "SELECT s.order_id, s.placed_at FROM sales.orders AS s JOIN returns.orders USING (order_id)"


def test_relations_over_all_domains(project: Project) -> None:
    """A join over two domains arrives as rows, as Arrow and, in UTC, as instants."""
    with mesh_defs.connect(project.root) as con:
        relation = con.sql(JOIN)
        assert relation.to_arrow_table().num_rows == 1
        ((number, instant),) = con.sql(JOIN).fetchall()
        assert (number, instant.isoformat()) == (2, "2026-01-02T12:00:00+00:00")
        assert con.sql("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # DuckDB 1.5 with pandas 3.1
def test_pandas_both_ways(project: Project) -> None:
    """A result is a data frame, and a data frame of the notebook is a table."""
    with mesh_defs.connect(project.root) as con:
        frame = con.sql("FROM sales.orders ORDER BY order_id").df()
        assert list(frame.columns) == ["order_id", "placed_at"]
        assert con.sql("SELECT count(*) FROM frame JOIN sales.orders USING (order_id)").fetchone() == (2,)


def test_polars(project: Project) -> None:
    """A result is a polars frame too, its instants in UTC."""
    with mesh_defs.connect(project.root) as con:
        frame = con.sql("FROM sales.orders ORDER BY order_id").pl()
        assert frame.shape == (2, 2)
        assert str(frame["placed_at"][1]) == "2026-01-02 12:00:00+00:00"


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM sales.orders", "INSERT INTO sales.orders VALUES (3, NULL)", "CREATE TABLE sales.x (a INT)"],
)
def test_stores_are_read_only(project: Project, statement: str) -> None:
    """No statement changes a store, while the connection's own memory takes temporary tables."""
    with mesh_defs.connect(project.root) as con:
        with pytest.raises(duckdb.Error, match="read-only"):
            con.execute(statement)
        con.execute("CREATE TEMP TABLE mine AS FROM sales.orders")


def test_sees_what_is_written_meanwhile(project: Project) -> None:
    """Each statement sees the newest snapshot; a transaction holds its own."""
    with mesh_defs.connect(project.root) as con:
        store(project, "sales", "3, NULL")
        assert con.sql("SELECT count(*) FROM sales.orders").fetchone() == (3,)
        con.execute("BEGIN")
        assert con.sql("SELECT count(*) FROM sales.orders").fetchone() == (3,)
        store(project, "sales", "4, NULL")
        assert con.sql("SELECT count(*) FROM sales.orders").fetchone() == (3,)
        con.execute("COMMIT")
        assert con.sql("SELECT count(*) FROM sales.orders").fetchone() == (4,)


def test_project_is_found_from_the_working_directory(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an argument it is the project that the notebook lies in."""
    monkeypatch.chdir(project.root / "domains" / "sales")
    with mesh_defs.connect() as con:
        assert con.sql("SELECT count(*) FROM returns.orders").fetchone() == (1,)


def test_no_project_is_an_error(tmp_path: Path) -> None:
    """A folder without a project is refused in the tree's own words."""
    with pytest.raises(ConfigError, match=r"no mesh\.toml"):
        mesh_defs.connect(tmp_path)


def test_import_is_cheap() -> None:
    """Importing the package imports no engine."""
    code = "import sys, mesh_defs; assert not {'duckdb', 'pyarrow', 'dagster', 'confluent_kafka'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_script_follows_the_stores(project: Project) -> None:
    """It names the stores that exist, and is written anew only when that changes."""
    path = write_script(project)
    before = path.stat().st_mtime_ns
    text = path.read_text()
    assert '"sales"' in text
    assert '"empty"' not in text
    refresh_script(project)
    assert path.stat().st_mtime_ns == before
    store(project, "empty")
    refresh_script(project)
    assert 'AS "empty"' in path.read_text()
    assert [p.name for p in path.parent.iterdir() if "mesh.sql" in p.name] == ["mesh.sql"]


def test_script_runs_in_a_fresh_process_without_a_download(project: Project, tmp_path: Path) -> None:
    """Another program with the same DuckDB and an empty home executes it and asks across domains."""
    code = (
        "import duckdb, sys; con = duckdb.connect(); con.execute(open(sys.argv[1]).read());"
        "print(con.sql(sys.argv[2]).fetchall()[0][0], con.sql(\"SELECT current_setting('TimeZone')\").fetchone()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(write_script(project)), JOIN],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"HOME": str(tmp_path / "home")},
    )
    assert done.stdout.split() == ["2", "UTC"]
    assert not (tmp_path / "home").exists()


def test_script_in_the_plain_shell(project: Project, tmp_path: Path) -> None:
    """The duckdb shell reads it at its start and refuses to write."""
    shell = str(Path(sys.executable).with_name("duckdb"))
    assert (
        f"v{duckdb.__version__} "
        in subprocess.run([shell, "--version"], capture_output=True, text=True, check=True).stdout
    )
    words = [shell, "-init", str(write_script(project)), "-csv", "-noheader"]
    environment = os.environ | {"HOME": str(tmp_path / "home")}
    done = subprocess.run([*words, "-c", JOIN], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "2,2026-01-02 12:00:00+00"
    done = subprocess.run(
        [*words, "-c", "DELETE FROM sales.orders"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode != 0
    assert "read-only" in done.stderr


def test_sql_init_prints_the_path(project: Project) -> None:
    """`mesh sql --init` writes the script and prints nothing but its path; a query beside it is refused."""
    run = [sys.executable, "-m", "mesh_defs.cli", "--project", str(project.root), "sql", "--init"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == f"{project.config.data / 'mesh.sql'}\n"
    assert Path(done.stdout.strip()).is_file()
    done = subprocess.run([*run, "SELECT 1"], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
