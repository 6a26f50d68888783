"""`mesh topics`."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Annotated, Any

import typer

from mesh_defs.broker import Broker, Brokers, connection_for
from mesh_defs.cli.app import (
    FAILED,
    JsonOption,
    chosen,
    domains_of,
    print_json,
    print_table,
    project_of,
)
from mesh_defs.model.records import RawBatch

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

app = typer.Typer(no_args_is_help=True, help="Topics, as the contracts declare them.")


@app.callback()
def _group() -> None:
    """Topics, as the contracts declare them."""


@app.command()
def apply(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[DOMAIN[.STREAM] ...]", show_default=False)
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Create the topics that are missing; an existing topic is compared, never altered.

    Exit code 1 if a topic is not as its contract declares it.
    """
    project = project_of(context)
    domains = domains_of(project)
    wanted = chosen(domains, names, "stream", lambda d: d.streams)
    contracts = [s for d in domains.values() for s in d.streams if s.name in wanted.get(d.name, ())]
    with Brokers(project.config) as brokers:
        plans = brokers.apply_topics(contracts)
    if as_json:
        print_json(
            [{"topic": p.topic, "action": p.action, "differences": list(p.differences)} for p in plans]
        )
    else:
        print_table(
            ["topic", "action", "differences"],
            ((p.topic, p.action, "; ".join(p.differences)) for p in plans),
            empty="no stream is declared",
        )
    if any(p.differences for p in plans):
        raise typer.Exit(FAILED)


@app.command()
def peek(
    context: typer.Context,
    topic: Annotated[str, typer.Argument(help="The topic's name on the broker.")],
    *,
    count: Annotated[int, typer.Option(metavar="N", min=1, help="How many records.")] = 1,
    server: Annotated[str, typer.Option(metavar="NAME", help="The connection of mesh.toml.")] = "main",
    as_json: JsonOption = False,
) -> None:
    """Show the newest records of a topic, declared or not: what a contract for it has to say.

    Nothing is stored and no group's offset moves. For people the bytes are text as far as they are UTF-8; in JSON they
    are base64, and the timestamp is milliseconds since the epoch.
    """
    with Broker(connection_for(project_of(context).config, server)) as broker:
        records = sorted(_newest(broker, topic, count), key=lambda r: (r["timestamp"], r["offset"]))[-count:]
    if as_json:
        print_json([{name: _encoded(value) for name, value in record.items()} for record in records])
        return
    lines = [(name, _readable(name, value)) for record in records for name, value in record.items()]
    print_table(["field", "value"], lines, empty="the topic holds no record")


def _newest(broker: Broker, topic: str, count: int) -> list[dict[str, Any]]:
    marks = broker.watermarks(topic, broker.partitions(topic))
    ranges = {p: (max(m.low, m.end - count), m.end) for p, m in marks.items() if m.end > m.low}
    records: list[dict[str, Any]] = []
    with broker.reader(topic, ranges) as reader:
        while not reader.done:
            records += [r for raw in reader.read(count) for r in _records(raw)]
    return records


def _records(raw: RawBatch) -> list[dict[str, Any]]:
    return [
        {
            "partition": raw.partition,
            "offset": raw.offsets[i],
            "timestamp": raw.timestamps[i],
            "key": raw.keys[i],
            "headers": [{"name": name, "value": value} for name, value in raw.headers[i] or ()],
            "value": raw.values[i],
        }
        for i in range(len(raw))
    ]


def _encoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [{name: _encoded(v) for name, v in header.items()} for header in value]
    return value


def _readable(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, list):
        return "\n".join(f"{h['name']}: {_readable('', h['value'])}" for h in value) or None
    if name == "timestamp":
        return (
            f"{_EPOCH + dt.timedelta(milliseconds=value):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
            if value >= 0
            else None
        )
    return str(value) if name in {"partition", "offset"} else value


def _instant(milliseconds: int) -> str | None:
    """Return an RFC 3339 instant, the number where no calendar has it, None where the record has no timestamp."""
    try:
        instant = _EPOCH + dt.timedelta(milliseconds=milliseconds)
    except OverflowError:
        return f"{milliseconds} ms"
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z") if milliseconds >= 0 else None
