"""The `mesh` command line, one module a command group."""
