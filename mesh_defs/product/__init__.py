"""Data products derived from streams and from other products."""
