"""What `mesh test` runs. It needs the packages of requirements-test.lock, which the launcher brings for it."""
