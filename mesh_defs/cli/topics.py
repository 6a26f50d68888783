"""`mesh topics`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mesh_defs.broker import Broker, Brokers, connection_for
from mesh_defs.cli.app import (
    ERRORS,
    FAILED,
    JsonOption,
    print_json,
    print_table,
    project_of,
)
from mesh_defs.cli.payload import encoded, instant, readable
from mesh_defs.cli.selection import StreamsArgument
from mesh_defs.cli.selection import streams as choose_streams
from mesh_defs.model.records import RawBatch

app = typer.Typer(no_args_is_help=True, help="Topics, as the contracts declare them.")


@app.callback()
def _group() -> None:
    """Topics, as the contracts declare them."""


@app.command()
def apply(
    context: typer.Context,
    names: StreamsArgument = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Create the topics that are missing; an existing topic is compared, never altered. Retired streams need none.

    Exit code 1 if a topic is not as its contract declares it, or a domain cannot be read.
    """
    selected = choose_streams(context, names)
    domains, wanted = selected.domains.values(), selected.wanted
    contracts = [s for d in domains for s in d.live.streams if s.name in wanted.get(d.name, ())]
    with ERRORS.status("comparing topics"), Brokers(selected.project.config) as brokers:
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
    if selected.incomplete or any(p.differences for p in plans):
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
    connection = connection_for(project_of(context).config, server)
    with ERRORS.status(f"reading {topic}"), Broker(connection) as broker:
        records = sorted(_newest(broker, topic, count), key=lambda r: (r["timestamp"], r["offset"]))[-count:]
    if as_json:
        print_json([{name: encoded(value) for name, value in record.items()} for record in records])
        return
    lines = [(name, _shown(name, value)) for record in records for name, value in record.items()]
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
            "timestamp": int(raw.timestamps[i]),
            "key": raw.keys[i],
            "headers": [{"name": name, "value": value} for name, value in raw.headers[i] or ()],
            "value": raw.values[i],
        }
        for i in range(len(raw))
    ]


def _shown(name: str, value: Any) -> str | None:
    return instant(value) if name == "timestamp" else readable(value)
