"""Files at rest to records: every row becomes a JSON document, which the one strict decoder reads."""

from mesh_defs.decode.rest.arrays import json_array
from mesh_defs.decode.rest.csv import CsvFile, CsvRows
from mesh_defs.decode.rest.lines import json_lines, looks_like_array
from mesh_defs.decode.rest.parquet import parquet_records
from mesh_defs.decode.rest.records import MalformedFileError, Records

__all__ = [
    "CsvFile",
    "CsvRows",
    "MalformedFileError",
    "Records",
    "json_array",
    "json_lines",
    "looks_like_array",
    "parquet_records",
]
