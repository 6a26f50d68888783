"""Alerts: what went wrong in the mesh, told once when it begins and once when it ends."""

from mesh_defs.alerts.incident import Incident, Kind, Phase
from mesh_defs.alerts.outbox import Outbox
from mesh_defs.alerts.post import Delivery, deliver

__all__ = ["Delivery", "Incident", "Kind", "Outbox", "Phase", "deliver"]
