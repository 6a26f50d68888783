"""What a pass or a build leaves behind in Dagster: counts that plot themselves, offsets as text."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

from mesh_defs.ingest import PartitionReport, StreamReport
from mesh_defs.product import ProductReport
from mesh_defs.store import StreamOffsets

Metadata = dict[str, dg.MetadataValue]

ROW_COUNT = "dagster/row_count"
"""Dagster's own word for how many rows a table has."""

NEXT_OFFSETS = "next_offsets"
"""The metadata that says how far the store is, as text."""

_SHOWN_PARTITIONS = 64
"""More make the event unreadable; the ledger has them all."""


def stream_metadata(report: StreamReport, stored: StreamOffsets | None) -> Metadata:
    """Return what a pass did to a stream of one table, and how much the store now holds of it."""
    parts = report.partitions
    partitions = stored.partitions.values() if stored else ()
    found: Metadata = {
        ROW_COUNT: dg.MetadataValue.int(sum(p.rows - p.removed for p in partitions)),
        "rows": dg.MetadataValue.int(report.row_count),
        "dead_letters": dg.MetadataValue.int(report.dead_letter_count),
        "dead_letters_total": dg.MetadataValue.int(sum(p.dead_letters for p in partitions)),
        "lag": dg.MetadataValue.int(sum(p.lag for p in parts)),
        "unknown_fields": dg.MetadataValue.int(len(report.unknown_fields)),
        "offsets": dg.MetadataValue.text(
            _listed(f"{_name(p)}: {p.from_offset} to {p.to_offset}" for p in parts)
        ),
    }
    if stored is not None:
        reached = sorted(stored.partitions.items())
        found[NEXT_OFFSETS] = dg.MetadataValue.text(_listed(f"{p}: {o.next_offset}" for p, o in reached))
    gaps = [f"{p.partition}: {g.kind} {g.from_offset} to {g.to_offset}" for p in parts for g in p.gaps]
    if gaps:
        found["gaps"] = dg.MetadataValue.text(_listed(gaps))
    if report.snapshot is not None:
        found["snapshot"] = dg.MetadataValue.text(str(report.snapshot))
    if report.warnings:
        found["warnings"] = dg.MetadataValue.text("\n".join(report.warnings))
    if report.errors:
        found["stopped"] = dg.MetadataValue.text("\n".join(map(str, report.errors)))
    return found


def type_metadata(report: StreamReport, stored: StreamOffsets | None, table: str, total: int) -> Metadata:
    """Return what a pass did to the table of one event type; offsets and dead letters are its whole stream's.

    Args:
        report: Of the stream.
        stored: What the store answers for.
        table: Its name.
        total: The table's rows now.
    """
    rows = dict(report.tables).get(table, 0)
    return stream_metadata(report, stored) | {
        ROW_COUNT: dg.MetadataValue.int(total),
        "rows": dg.MetadataValue.int(rows),
        "stream": dg.MetadataValue.text(f"{report.domain}.{report.stream}"),
    }


def topic_metadata(report: StreamReport) -> Metadata:
    """Return how far the topic was when the pass began."""
    ends = {p.partition: p.end_offset for p in report.partitions}
    return {
        "end_offsets": dg.MetadataValue.text(_listed(f"{p}: {end}" for p, end in sorted(ends.items()))),
        "offsets_total": dg.MetadataValue.int(sum(ends.values())),
    }


def product_metadata(report: ProductReport) -> Metadata:
    """Return what a build produced, and from which snapshots."""
    return {
        ROW_COUNT: dg.MetadataValue.int(report.row_count),
        "snapshot": dg.MetadataValue.text(str(report.snapshot)),
        "input_snapshots": dg.MetadataValue.text(_listed(f"{table}: {s}" for table, s in report.inputs)),
    }


def _name(part: PartitionReport) -> str:
    return f"{part.partition}" if part.epoch <= 1 else f"{part.partition} (epoch {part.epoch})"


def _listed(entries: Iterable[str]) -> str:
    listed = list(entries)
    more = len(listed) - _SHOWN_PARTITIONS
    text = ", ".join(listed[:_SHOWN_PARTITIONS]) or "none"
    return f"{text}, and {more} more" if more > 0 else text
