"""Decoded Python values to Arrow arrays: whole columns at once, with everything that the contract demands."""

from mesh_defs.decode.columns.base import Converter
from mesh_defs.decode.columns.build import converter_for

__all__ = ["Converter", "converter_for"]
