"""What a record's value is wrapped in."""
