"""Reading: SQL over all domains, read-only."""

from mesh_defs.query.mesh import Mesh
from mesh_defs.query.output import FORMATS, write_result

__all__ = ["FORMATS", "Mesh", "write_result"]
