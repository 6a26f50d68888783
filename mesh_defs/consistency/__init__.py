"""What must hold over the broker and the stores together."""
