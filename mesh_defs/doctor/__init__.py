"""`mesh doctor`: tries each part that a mesh stands on and says what to do about it."""

from mesh_defs.doctor.examine import Doctor
from mesh_defs.doctor.verdict import Verdict, Word

__all__ = ["Doctor", "Verdict", "Word"]
