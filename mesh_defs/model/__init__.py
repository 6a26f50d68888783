"""Values and the exception tree; imports no engine."""
