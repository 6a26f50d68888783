"""One pass from broker to commit."""
