"""What must hold over the broker and the stores together."""

from mesh_defs.consistency.verify import StreamVerification, verify_domain

__all__ = ["StreamVerification", "verify_domain"]
