"""Data at rest: files become a table's rows, one load at a time."""

from mesh_defs.ingest.rest.files import Hashes
from mesh_defs.ingest.rest.news import InputNews, input_news
from mesh_defs.ingest.rest.work import load_inputs

__all__ = ["Hashes", "InputNews", "input_news", "load_inputs"]
