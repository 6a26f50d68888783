"""Reading: SQL over all domains, read-only."""
