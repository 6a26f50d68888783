"""Data products derived from streams and from other products."""

from mesh_defs.product.build import ProductReport, build
from mesh_defs.product.order import in_order
from mesh_defs.product.sql import inputs

__all__ = ["ProductReport", "build", "in_order", "inputs"]
