"""Avro schemas: their types, what contract they make, and which of them can read which."""
