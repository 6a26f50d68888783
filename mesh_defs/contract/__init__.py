"""Data contracts: an ODCS file becomes a frozen contract, or a list of findings."""
