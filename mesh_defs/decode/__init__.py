"""Bytes to Arrow: pure functions from a raw batch to rows and dead letters."""
