"""One pass from broker to commit."""

from mesh_defs.ingest.account import Progress
from mesh_defs.ingest.chunk import Limits
from mesh_defs.ingest.failures import Failure, read_failures
from mesh_defs.ingest.news import DomainNews, StreamNews, news
from mesh_defs.ingest.report import PartitionReport, PassReport, StreamReport
from mesh_defs.ingest.run import run_pass

__all__ = [
    "DomainNews",
    "Failure",
    "Limits",
    "PartitionReport",
    "PassReport",
    "Progress",
    "StreamNews",
    "StreamReport",
    "news",
    "read_failures",
    "run_pass",
]
