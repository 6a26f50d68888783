"""`mesh dead-letters`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mesh_defs.cli.app import ERRORS, JsonOption, Tries, print_json, print_table
from mesh_defs.cli.complete import stream_names
from mesh_defs.cli.payload import encoded, readable
from mesh_defs.cli.selection import StreamsArgument, ingested
from mesh_defs.ingest.retry import RetryReport, refuse_at_rest, retry_dead_letters
from mesh_defs.model.errors import QueryError
from mesh_defs.query import Mesh

app = typer.Typer(no_args_is_help=True, help="Records that broke their contract, kept byte for byte.")

LISTED = "stream, _epoch, _partition, _offset, _timestamp, stage, rule, path, message, contract_version, _file, _line"

WHOLE = LISTED + ", _key, _value, _headers, _ingested_at"


@app.callback()
def _group() -> None:
    """Records that broke their contract, kept byte for byte."""


@app.command("list")
def list_(
    context: typer.Context,
    names: StreamsArgument = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="The newest N of each domain.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List the newest dead letters: where each stood, and what is wrong with it. No payload is shown."""
    selected = ingested(context, names)
    letters: list[dict[str, Any]] = []
    tries = Tries(failed=selected.incomplete)
    with ERRORS.status("reading dead letters"), Mesh.open(selected.project) as mesh:
        for domain, streams in selected.wanted.items():
            condition = " WHERE list_contains($streams, stream)" if names else ""
            query = (
                f"SELECT {LISTED} FROM {domain}.dead_letters{condition} "  # noqa: S608 - names are checked
                "ORDER BY _ingested_at DESC, _partition, _offset DESC LIMIT $limit"
            )
            parameters = {"limit": limit} | ({"streams": streams} if names else {})
            with tries.one():
                letters += _rows(mesh, domain, query, parameters)
    if as_json:
        print_json(letters)
        tries.end()
        return
    columns = ["partition", "offset", "stage", "rule", "path", "message"]
    print_table(
        ["stream", *columns],
        ((f"{r['domain']}.{r['stream']}", *(r[name] for name in columns)) for r in letters),
        empty="no dead letters",
    )
    tries.end()


@app.command()
def show(
    context: typer.Context,
    stream: Annotated[str, typer.Argument(metavar="DOMAIN.STREAM", autocompletion=stream_names)],
    partition: Annotated[int, typer.Argument(min=0)],
    offset: Annotated[int, typer.Argument(min=0)],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter whole, with its key, value and headers.

    In JSON the bytes are base64; for people they are text as far as they are UTF-8.
    """
    selected = ingested(context, [stream])
    ((domain, names),) = selected.wanted.items()
    query = (
        f"SELECT {WHOLE} FROM {domain}.dead_letters WHERE list_contains($streams, stream) "  # noqa: S608
        "AND _partition = $partition AND _offset = $offset ORDER BY _epoch"
    )
    with ERRORS.status("reading dead letters"), Mesh.open(selected.project) as mesh:
        letters = _rows(mesh, domain, query, {"streams": names, "partition": partition, "offset": offset})
    if not letters:
        raise QueryError(
            cannot=f"show the dead letter {stream} {partition} {offset}",
            why="there is none at these coordinates",
            do=f"`mesh dead-letters list {stream}` shows those that are there",
        )
    if as_json:
        print_json([{name: encoded(value) for name, value in letter.items()} for letter in letters])
        return
    for letter in letters:
        print_table(["field", "value"], ((k, readable(v)) for k, v in letter.items()), empty="")


@app.command()
def retry(
    context: typer.Context,
    names: StreamsArgument = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Decode dead letters again with today's contracts: those that pass become rows at their own offsets.

    Rows, dead letters and the ledger change in one commit. What still breaks its contract stays as it is. Data at rest
    is read again from its files instead.
    """
    selected = ingested(context, names)
    reports: list[RetryReport] = []
    tries = Tries(failed=selected.incomplete)
    with ERRORS.status("retrying") as spinner:
        for domain_name, members in selected.wanted.items():
            domain = selected.domains[domain_name]
            for contract in (i for i in domain.inputs if i.full_name in (names or ())):
                raise refuse_at_rest(contract)
            for stream in (s for s in domain.streams if s.name in members):
                spinner.update(f"retrying {stream.full_name}")
                with tries.one():
                    reports.append(retry_dead_letters(selected.project, stream))
    if as_json:
        print_json([_retried(report) for report in reports])
        tries.end()
        return
    print_table(
        ["stream", "tried", "stored", "still dead", "rules", "snapshot"],
        (
            (
                f"{r.domain}.{r.stream}",
                r.tried,
                r.stored,
                r.kept,
                ", ".join(sorted(r.rules)) or "-",
                r.snapshot,
            )
            for r in reports
        ),
        empty="nothing was retried" if tries.failed else "no stream is declared",
    )
    tries.end()


def _retried(report: RetryReport) -> dict[str, Any]:
    return {
        "domain": report.domain,
        "stream": report.stream,
        "tried": report.tried,
        "stored": report.stored,
        "kept": report.kept,
        "rules": dict(report.rules),
        "snapshot": report.snapshot,
    }


def _rows(mesh: Mesh, domain: str, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    if domain in mesh.broken:
        raise mesh.broken[domain]
    if not mesh.has_table(f"{domain}.dead_letters"):
        return []
    rows = mesh.connection.execute(query, parameters).to_arrow_table().to_pylist()
    return [{"domain": domain} | {name.lstrip("_"): value for name, value in row.items()} for row in rows]
