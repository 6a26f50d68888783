"""Several event types in one topic: which type a record is, and each type to its own decoder."""
