"""Reading: SQL over all domains, read-only."""

from mesh_defs.query.mesh import Mesh
from mesh_defs.query.output import FORMATS, write_result
from mesh_defs.query.shell import refresh_script, write_script

__all__ = ["FORMATS", "Mesh", "refresh_script", "write_result", "write_script"]
