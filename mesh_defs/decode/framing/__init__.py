"""What stands before a payload and names its schema."""

from mesh_defs.decode.framing.confluent import Confluent
from mesh_defs.decode.framing.frames import Frame, Frames, Framing, NoFraming, Unframed
from mesh_defs.decode.framing.single_object import SingleObject

__all__ = ["Confluent", "Frame", "Frames", "Framing", "NoFraming", "SingleObject", "Unframed"]
